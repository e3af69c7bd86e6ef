--- {{< stat KEY [part=value|ci|p|n|full] >}}, {{< figure KEY >}}, {{< table KEY >}}, {{< passages KEY >}} and {{< claim KEY [part=evidence|outcome] >}}: what an article shows of a ledger.

local ledger = require("ledger")
local explained = require("explained")
local pieces = require("pieces")
local typst_string = pieces.typst_string

local NBSP = "\u{a0}"
local PARTS = { "value", "ci", "p", "n", "full" }
local CLAIM_PARTS = { "sentence", "evidence", "outcome" }

-- Small tools -----------------------------------------------------------------------------------------------

local function html() return quarto.doc.is_format("html") end
local function typst() return quarto.doc.is_format("typst") end

--- Plain text as inlines; nothing in it is read as Markdown or markup.
local function plain(text)
  local inlines = pandoc.Inlines({})
  for gap, word in text:gmatch("(%s*)(%S*)") do
    if gap ~= "" then inlines:insert(pandoc.Space()) end
    if word ~= "" then inlines:insert(pandoc.Str(word)) end
  end
  return inlines
end

--- Text that stays on one line: "p = 0.012", "[0.31, 0.55]".
local function unbroken(text)
  return (text:gsub(" ", NBSP))
end

--- The long form of a statistic, broken only between its parts.
local function statistic_inlines(text, part)
  -- At the beginning of a paragraph Typst would take "12" with a full stop after it for the number of an item.
  if typst() and text:match("^[%d=/+-]+$") then return pandoc.Inlines({ pandoc.RawInline("typst", "#" .. typst_string(text) .. ";") }) end
  if not part:match("full$") then return pandoc.Inlines({ pandoc.Str(unbroken(text)) }) end
  local kept = text:gsub(" ([=<]) ", NBSP .. "%1" .. NBSP):gsub("CI %[", "CI" .. NBSP .. "[")
    :gsub("%b[]", unbroken)
  return plain(kept)
end

local function argument(args, shortcode)
  if not args[1] then
    ledger.fail("{{< " .. shortcode .. " >}} needs a key, for example {{< " .. shortcode .. " analysis.name >}}.")
  end
  return pandoc.utils.stringify(args[1])
end

local function option(kwargs, name)
  local value = kwargs[name]
  return value and pandoc.utils.stringify(value) or ""
end

--- The option `part`, or `default` where it is not given; another than those that are `valid` stops the render.
local function part_of(kwargs, valid, default, code)
  local part = option(kwargs, "part")
  if part == "" then return default end
  if not pandoc.List(valid):includes(part) then
    ledger.fail("{{< " .. code .. " part=" .. part .. " >}}: " .. ledger.unknown("part", part, valid))
  end
  return part
end

local function hyphened(text) return (text:gsub("_", "-")) end

local function identifier(prefix, found)
  local id = prefix .. "-" .. hyphened(found.analysis) .. "-" .. hyphened(found.name)
  return found.here and id or id .. "-" .. found.run:gsub("[^%w]", "-")
end

local shown = {}

--- The id of a record where the document shows it first; "" afterwards, and where nothing can link to it.
local function anchor(prefix, found)
  if not html() or shown[found.key] then return "" end
  if prefix == "claim" and not found.here then return "" end
  shown[found.key] = true
  return identifier(prefix, found)
end

--- A caption and, on the web, the link to the code behind the record.
local function caption(found, note)
  local inlines = plain(found.record.caption)
  if note then inlines:extend(plain(" " .. note)) end
  local target = html() and ledger.code_at(found)
  if target then
    inlines:insert(pandoc.Space())
    inlines:insert(pandoc.Link({ pandoc.Str("code") }, target, "",
      pandoc.Attr("", { "ms-code" }, { ["aria-label"] = "code behind " .. found.key })))
  end
  return pandoc.Plain(inlines)
end

-- Statistics ------------------------------------------------------------------------------------------------

local function stat(args, kwargs, meta, _, context)
  local key = argument(args, "stat")
  local part = part_of(kwargs, PARTS, "value", "stat " .. key)
  local found = ledger.lookup(key, meta, "statistics")
  local text = ledger.text(found, part)
  if text == "" then
    ledger.fail("'" .. key .. "' has no " .. (part:match("ci$") and "interval" or part)
      .. ": record it in the analysis, or cite another part.")
  end
  if context == "text" then return pieces.inert(text) end
  local inlines = statistic_inlines(text, part)
  if not html() then return inlines end
  return pandoc.Inlines({ explained.link(found, inlines, "ms-stat", anchor("stat", found)) })
end

-- What a run does not have ----------------------------------------------------------------------------------

--- A sentence in the place of a record that the run does not have, as a block.
local function in_its_place(found)
  local inlines = plain(found.record.said)
  if html() then inlines = pandoc.Inlines({ explained.link(found, inlines, "ms-why") }) end
  return pandoc.Div({ pandoc.Para({ pandoc.Emph(inlines) }) }, pandoc.Attr("", { "ms-absent" }))
end

--- The same as a numbered figure or table, so that what refers to it leads here; a PDF keeps it in its place.
local function absent_float(found, type, id)
  local float = quarto.FloatRefTarget({
    type = type,
    identifier = id,
    content = pandoc.Blocks({ in_its_place(found) }),
    caption_long = pandoc.Plain({ pandoc.Code(pieces.inert(found.key)) }),
  })
  if not typst() then return float end
  return pandoc.Blocks({
    pandoc.RawBlock("typst", "#[#show figure: set figure(placement: none)"), float, pandoc.RawBlock("typst", "]"),
  })
end

-- Figures and tables ----------------------------------------------------------------------------------------

local function figure(args, _, meta, _, context)
  local found = ledger.lookup(argument(args, "figure"), meta, "figures")
  if context == "text" then return pieces.inert(found.record.caption) end
  if found.kind == "absent" then return absent_float(found, "Figure", identifier("fig", found)) end
  local attributes = { ["fig-alt"] = pieces.inert(found.record.alt) }
  if html() and found.here then
    attributes["data-vega"] = ledger.from_document("paper/_generated/" .. ledger.current_run .. "/figures/"
      .. found.analysis .. "." .. found.name .. ".js")
  end
  local image = pandoc.Image(plain(found.record.alt), ledger.result_at(found, "figures/" .. found.name .. ".svg"),
    "", pandoc.Attr("", { "ms-figure" }, attributes))
  return quarto.FloatRefTarget({
    type = "Figure",
    identifier = identifier("fig", found),
    content = pandoc.Blocks({ pandoc.Plain({ image }) }),
    caption_long = caption(found),
  })
end

local function table_(args, _, meta, _, context)
  local found = ledger.lookup(argument(args, "table"), meta, "tables")
  local record = found.record
  if context == "text" then return pieces.inert(record.caption) end
  if found.kind == "absent" then return absent_float(found, "Table", identifier("tbl", found)) end
  local aligns, headers, rows = {}, {}, {}
  for i, column in ipairs(record.columns) do
    local number = column.kind == "int" or column.kind == "float"
    aligns[i] = number and pandoc.AlignRight or pandoc.AlignLeft
    headers[i] = pandoc.Blocks({ pandoc.Plain(plain(column.label)) })
  end
  for i, cells in ipairs(record.text) do
    rows[i] = {}
    for j, cell in ipairs(cells) do rows[i][j] = pandoc.Blocks({ pandoc.Plain(plain(cell)) }) end
  end
  local widths = {}
  for i = 1, #aligns do widths[i] = 0 end
  local simple = pandoc.SimpleTable({}, aligns, widths, headers, rows)
  local whole = pandoc.utils.from_simple_table(simple)
  whole.classes:insert("ms-table")
  local note
  if #record.text < #record.rows then
    note = string.format("The first %d of %d rows.", #record.text, #record.rows)
  end
  return quarto.FloatRefTarget({
    type = "Table",
    identifier = identifier("tbl", found),
    content = pandoc.Blocks({ whole }),
    caption_long = caption(found, note),
  })
end

-- Passages --------------------------------------------------------------------------------------------------

local STEPS = 9

--- How strongly a token is shaded: 0 to STEPS, and whether its value is negative.
local function shade(value, largest)
  if not largest or largest <= 0 then return 0, false end
  return math.floor(STEPS * math.min(1, math.abs(value) / largest) + 0.5), value < 0
end

--- A token as it can be seen: line ends and tabs leave a sign.
local function visible(token)
  return (token:gsub("\r?\n", "↵"):gsub("\r", "↵"):gsub("\t", "⇥"))
end

--- A token's value as it is read, with a true minus sign.
local function number(value, digits)
  return (string.format("%." .. (digits or 3) .. "g", value):gsub("-", "−"))
end

local function token_html(token, value, largest)
  local step, negative = shade(value, largest)
  local inlines = pandoc.Inlines({ pandoc.Str(visible(token)) })
  if token:find("\n") then inlines:insert(pandoc.RawInline("html", "<br>")) end
  local class = step > 0 and { "ms-token", (negative and "ms-neg-" or "ms-pos-") .. step } or { "ms-token" }
  local said = number(value)
  -- Pairs, because a table has no order and a page is the same each time.
  return { pandoc.Span(inlines, pandoc.Attr("", class, { { "title", said }, { "aria-description", said } })) }
end

-- A Typst string, not markup: only backslash and quote mean anything in it.
local function token_typst(token, value, largest)
  local step, negative = shade(value, largest)
  local text = typst_string(visible(token))
  local code = "#" .. text .. ";"
  if step > 0 then
    local colour = negative and "rgb(51, 102, 153)" or "rgb(214, 120, 30)"
    code = string.format("#highlight(fill: %s.transparentize(%d%%), %s);", colour,
      math.floor(100 - 75 * step / STEPS), "[#" .. text .. "]")
      .. string.format('#sub(typographic: false, size: 0.55em, "%s");', number(value, 2))
  end
  if token:find("\n") then code = code .. "#linebreak();" end
  return { pandoc.RawInline("typst", code) }
end

local function token_plain(token)
  return { pandoc.Str(visible(token)) }
end

--- Blocks in a block of Typst's with these properties.
local function set_in(properties, blocks)
  local set = pandoc.Blocks({ pandoc.RawBlock("typst", "#block(width: 100%, " .. properties .. ")[") })
  set:extend(blocks)
  set:insert(pandoc.RawBlock("typst", "]"))
  return set
end

--- What the shades mean, in words: from the values themselves, because many have one sign only.
local function scale(record)
  local above, below = false, false
  for _, passage in ipairs(record.passages) do
    for _, value in ipairs(passage.values) do
      above = above or value > 0
      below = below or value < 0
    end
  end
  if not (above or below) then return "All values are zero." end
  local full = number(record.largest)
  local said = above and "Full shade is " .. full .. "." or "Full shade (blue) is −" .. full .. "."
  if above and below then said = "Full shade is ±" .. full .. ": orange above zero, blue below." end
  return typst() and said .. " A small number is the value of the token before it." or said
end

local function passages(args, _, meta, _, context)
  local found = ledger.lookup(argument(args, "passages"), meta, "passages")
  local record = found.record
  if context == "text" then return pieces.inert(record.caption) end
  if found.kind == "absent" then return pandoc.Blocks({ in_its_place(found) }) end
  local render = html() and token_html or typst() and token_typst or token_plain
  local blocks = pandoc.Blocks({})
  for _, passage in ipairs(record.passages) do
    local inlines = pandoc.Inlines({})
    for i, token in ipairs(passage.tokens) do inlines:extend(render(token, passage.values[i], record.largest)) end
    local parts = pandoc.Blocks({})
    if passage.title and passage.title ~= "" then
      local title = pandoc.Para({ pandoc.Strong(plain(passage.title)) })
      if typst() then
        parts:extend(set_in("sticky: true", { title }))
      else
        parts:insert(pandoc.Div({ title }, pandoc.Attr("", { "ms-passage-title" })))
      end
    end
    parts:insert(pandoc.Para(inlines))
    blocks:insert(pandoc.Div(parts, pandoc.Attr("", { "ms-passage" })))
  end
  blocks:insert(pandoc.Div({ pandoc.Para(caption(found, scale(record)).content) }, pandoc.Attr("", { "ms-caption" })))
  return pandoc.Blocks({ pandoc.Div(blocks, pandoc.Attr("", { "ms-passages" })) })
end

-- Claims ----------------------------------------------------------------------------------------------------

--- What stands beside an outcome, as words: why it could not be tested (and that it is this), or with `part` what it
--- was decided from ("−0.49 to 0.68"); "" where a render did not prepare it.
local function evidence(found, part)
  local note = ledger.note(found) or {}
  if note.untestable then return note.untestable, true end
  return part ~= "sentence" and note.evidence or "", false
end

--- The evidence after an outcome, or why there is none, in parentheses on the web and in a PDF alike.
local function evidence_inlines(words, untested)
  local inlines = pandoc.Inlines({})
  if words == "" then return inlines end
  inlines:insert(pandoc.Space())
  inlines:insert(pandoc.Span(plain("(" .. words:gsub(" ([=<]) ", NBSP .. "%1" .. NBSP) .. ")"),
    pandoc.Attr("", { untested and "ms-because" or "ms-of" })))
  return inlines
end

local function claim(args, kwargs, meta, _, context)
  local key = argument(args, "claim")
  local part = part_of(kwargs, CLAIM_PARTS, "sentence", "claim " .. key)
  local found = ledger.lookup(key, meta, "claims")
  local sentence = part ~= "outcome" and found.record.sentence or ""
  local decided, untested = evidence(found, part)
  if context == "text" then
    local words = explained.outcome(found)
    if decided ~= "" then words = words .. (untested and ": " .. decided or " (" .. decided .. ")") end
    return pieces.inert(sentence == "" and words or sentence .. " (" .. words .. ")")
  end
  local class = "ms-" .. found.record.outcome
  local mark = pandoc.Inlines({ pandoc.Str(unbroken(explained.outcome(found))) })
  if html() then
    mark = pandoc.Inlines({ explained.link(found, mark, "ms-outcome") })
  elseif context == "block" then
    local words = explained.outcome(found)
    local stop = (decided == "" or untested) and "." or ""
    mark = pandoc.Inlines({ pandoc.Strong({ pandoc.Str(unbroken(words:sub(1, 1):upper() .. words:sub(2)) .. stop) }) })
  end
  local of = evidence_inlines(decided, untested)
  if part == "outcome" then
    if not html() then mark = pandoc.Inlines({ pandoc.Emph({ pandoc.Str(unbroken(explained.outcome(found))) }) }) end
    local inlines = pandoc.Inlines(mark)
    inlines:extend(of)
    inlines = pandoc.Inlines({ pandoc.Span(inlines, pandoc.Attr("", { "ms-claim", class })) })
    return context == "block" and pandoc.Blocks({ pandoc.Para(inlines) }) or inlines
  end
  if context ~= "block" then
    local inlines = plain(sentence)
    inlines:insert(pandoc.Space())
    if html() then
      inlines:extend(mark)
      inlines:extend(of)
    elseif decided ~= "" then
      inlines:extend({ pandoc.Str("("), pandoc.Emph(mark), pandoc.Str(":"), pandoc.Space() })
      inlines:extend(plain(decided))
      inlines:insert(pandoc.Str(")"))
    else
      inlines:extend({ pandoc.Str("("), pandoc.Emph(mark), pandoc.Str(")") })
    end
    return pandoc.Inlines({ pandoc.Span(inlines, pandoc.Attr(anchor("claim", found), { "ms-claim", class })) })
  end
  local inlines = pandoc.Inlines(mark)
  if not untested then
    inlines:extend(of)
    if #of > 0 and not html() then inlines:insert(pandoc.Strong({ pandoc.Str(".") })) end
  end
  inlines:insert(pandoc.Space())
  inlines:extend(plain(sentence))
  if untested then inlines:extend(of) end
  local paragraph = pandoc.Para(inlines)
  if typst() then
    return pandoc.Blocks({
      pandoc.RawBlock("typst", "#block(stroke: (left: 2pt + gray), inset: (left: 0.9em, y: 0.3em))["),
      paragraph,
      pandoc.RawBlock("typst", "]"),
    })
  end
  return pandoc.Blocks({ pandoc.Div({ paragraph }, pandoc.Attr(anchor("claim", found), { "ms-claim", class })) })
end

return { stat = stat, figure = figure, ["table"] = table_, passages = passages, claim = claim }
