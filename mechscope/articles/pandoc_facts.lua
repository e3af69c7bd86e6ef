-- What Pandoc reads in texts: `pandoc lua pandoc_facts.lua`, a JSON list of texts on standard input, a JSON list of lists of
-- facts on standard output. A fact has a `kind`, the `text` by which its place is found, and what else reading.py says.

local WORD = "\xF3[\xB0-\xBF][\x80-\xBF][\x80-\xBF]" -- what reading.py puts for each shortcode
local FORMULAS = { align = true, alignat = true, aligned = true, alignedat = true, eqnarray = true, equation = true,
  flalign = true, gather = true, gathered = true, multline = true, multlined = true, split = true }

local CONDITIONS = { "when-claim", "when-run" }

local function facts_of(text)
  local facts = pandoc.List({})
  local doc = pandoc.read(text, "markdown")
  local walk

  local function add(kind, needle, more)
    local fact = more or {}
    fact.kind, fact.text = kind, needle
    facts:insert(fact)
  end

  local function words(kind, str)
    local before
    for word in str:gmatch(WORD) do
      if word ~= before then add(kind, word) end
      before = word
    end
  end

  --- Conditions in what is only text, each behind `before`.
  local function written_out(str, before, what)
    for _, class in ipairs(CONDITIONS) do
      if str:find(before .. class, 1, true) then add("condition", "." .. class, { what = what, class = class }) end
    end
  end

  --- What an element's attributes say.
  local function attributes(element, inside)
    local id = element.identifier
    if id and id ~= "" and id:match("^%a+%-") then add("id", "#" .. id, { id = id }) end
    local may = element.t == "Div" or element.t == "Span" or (element.t == "Header" and not inside.title)
    for _, class in ipairs(CONDITIONS) do
      if element.classes and element.classes:includes(class) then
        add(may and "depends" or "condition", "." .. class, { what = element.t, class = class })
      end
    end
  end

  local function raw(element)
    if element.format == "tex" and not element.text:match("^%s*\\[np]%a+page%s*$") and not element.text:match("^%s*\\clearpage%s*$") then
      local name = element.text:match("^%s*\\begin{(%a+)%*?}")
      if not FORMULAS[name or ""] then
        local first = element.text:match("^%s*([^\n]*)")
        add("latex", first, { what = first:gsub(WORD, "") })
      end
      if element.text:find("\\tag", 1, true) then add("tag", "\\tag") end
    end
  end

  --- `inside`: linked (a link can stand here), title (a heading is no section but a title), tabled (in a table).
  local function filter(inside)
    local function deeper(element, changes)
      local there = {}
      for name, value in pairs(inside) do there[name] = value end
      for name, value in pairs(changes) do there[name] = value end
      return walk(element, there)
    end

    local function container(element)
      if element.t == "Div" then attributes(element, inside) end
      local changes = {}
      for _, class in ipairs(element.classes) do
        if class == "content-visible" or class == "content-hidden" or class == "hidden" then changes.linked = false end
        if class == "panel-tabset" or class:match("^callout%-") then changes.title = true end
      end
      deeper(element.content, changes)
      if element.t == "Span" then attributes(element, inside) end -- they stand behind what is in it
      return element, false
    end

    return {
      traverse = "topdown",
      Str = function(str)
        if inside.linked then words("element", str.text) end
        if inside.tabled then words("tabled", str.text) end
        written_out(str.text, "{.", "Str")
        local label = str.text:match("^{#(%a+%-[%w_:.-]+)")
        if label then add("id", "#" .. label, { id = label }) end
      end,
      Header = function(header) attributes(header, inside) end,
      Div = container,
      Span = container,
      Table = function(element)
        attributes(element, inside)
        deeper(element.caption.long, {})
        for _, rows in ipairs({ { element.head.rows }, { element.foot.rows } }) do
          for _, row in ipairs(rows[1]) do
            for _, cell in ipairs(row.cells) do deeper(cell.contents, { tabled = true }) end
          end
        end
        for _, body in ipairs(element.bodies) do
          for _, rows in ipairs({ body.head, body.body }) do
            for _, row in ipairs(rows) do
              for _, cell in ipairs(row.cells) do deeper(cell.contents, { tabled = true }) end
            end
          end
        end
        return element, false
      end,
      Figure = function(figure)
        attributes(figure, inside)
        deeper(figure.content, {})
        deeper(figure.caption.long, {})
        return figure, false
      end,
      Image = function(image)
        attributes(image, inside)
        deeper(image.caption, { linked = false }) -- its alternative text
        return image, false
      end,
      Link = function(link)
        attributes(link, inside)
        deeper(link.content, { linked = false })
        return link, false
      end,
      Cite = function(cite)
        for _, citation in ipairs(cite.citations) do
          add("citation", "@" .. citation.id, { id = citation.id })
          deeper(citation.prefix, { linked = false })
          deeper(citation.suffix, { linked = false })
        end
        return cite, false
      end,
      CodeBlock = function(block) attributes(block, inside) end,
      Code = function(code)
        attributes(code, inside)
        local language = code.text:match("^{(%a+)}%s") or code.text:match("^{(%a+)}$")
        if language then add("computed", code.text, { language = language }) end
      end,
      Math = function(math)
        words("formula", math.text)
        written_out(math.text, ".", "Math")
        if math.text:find("\\tag", 1, true) then add("tag", "\\tag") end
      end,
      RawBlock = raw,
      RawInline = raw,
    }
  end

  walk = function(element, inside) return element:walk(filter(inside)) end
  walk(doc.blocks, { linked = true })
  return facts
end

local texts = pandoc.json.decode(io.read("a"), false)
local result = pandoc.List({})
for _, text in ipairs(texts) do result:insert(facts_of(text)) end
io.write(#result == 0 and "[]" or pandoc.json.encode(result))
