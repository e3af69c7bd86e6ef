--- Prose that depends on a result:
---
---   ::: {.when-claim key=topic_geometry.abstraction_beats_controversy is=held}
---   …
---   :::
---
--- is kept when the claim's outcome is among those in `is` ("held", "failed", "untestable", or several), and
--- dropped otherwise. The same attributes on a span, `[…]{.when-claim key=… is=held}`, are for its words; on a heading for
--- its section: all that follows up to the next heading that isn't below it. What is kept ends with a mark that says so and leads to the claim. Runs before shortcodes expand,
--- so keys in a dropped branch are not looked up here; the check before a render reads them in the source.
---
--- Prose that is true of some runs only, `::: {.when-run is="smollm2-135m gemma-3-270m"}` (or `is-not=`), is kept in their
--- renders, without a mark.
---
--- It also puts a banner at the top of every document that shows something of a ledger, says at the foot of every page
--- where it comes from, and fills
---
---   ::: {.cited-numbers}
---   :::
---
--- with a table of the numbers that the document cites, `::: {.cited-claims}` with a list of the claims that it makes, and
--- `::: {.all-runs}` with a list of the runs.

local ledger = require("ledger")
local documents = require("documents")
local claims = require("claims")
local explained = require("explained")
local latex = require("latex")
local shortcodes = require("shortcodes")

-- The engine copies the script into the site and links it from the page.
if quarto.doc.add_html_dependency and quarto.doc.is_format("html") then
  quarto.doc.add_html_dependency({
    name = "mechscope",
    version = "0.1.0",
    scripts = { { path = "../../paper/assets/mechscope.js", name = "mechscope.js" } },
  })
end

local OUTCOMES = { "held", "failed", "untestable" }

local function wanted_outcomes(element)
  local wanted = pandoc.List({})
  local is = element.attributes["is"] or ""
  for outcome in is:gmatch("[^,%s]+") do
    if not pandoc.List(OUTCOMES):includes(outcome) then
      ledger.fail("{.when-claim is=" .. is .. "}: " .. ledger.unknown("outcome", outcome, OUTCOMES))
    end
    wanted:insert(outcome)
  end
  if #wanted == 0 then
    ledger.fail("{.when-claim} needs is=held, is=failed or is=untestable.")
  end
  return wanted
end

--- The id of the first prose that depends on a claim; pages/context.py links to it.
local function when_anchor(found)
  local id = ("when-claim-" .. found.analysis .. "-" .. found.name):gsub("_", "-")
  return found.here and id or id .. "-" .. found.run:gsub("[^%w]", "-")
end

--- An apostrophe after a digit ("SmolLM2's"): Typst, which makes its own of the plain sign that Pandoc's writer gives
--- it, would make a prime of this one.
local function apostrophes(str)
  if not str.text:find("%d’") then return nil end
  local inlines = pandoc.Inlines({})
  local rest = str.text
  while true do
    local before, after = rest:match("^(.-%d)’(.*)$")
    if not before then break end
    inlines:extend({ pandoc.Str(before), pandoc.RawInline("typst", '#"’";') })
    rest = after
  end
  if rest ~= "" then inlines:insert(pandoc.Str(rest)) end
  return inlines
end

--- A comment is for authors: what it holds is not on the page, and a key in it may be gone.
local function without_comments(raw)
  if not raw.format:match("^html") or not raw.text:find("<!--", 1, true) or raw.text:lower():find("<s[ct][ry][il][pe]") then
    return nil
  end
  local text = raw.text:gsub("<!%-%-.-%-%->", "")
  if text:match("^%s*$") then return {} end
  raw.text = text
  return raw
end

--- What a notebook printed is data: nothing in it is a shortcode, which Quarto would expand there too.
local PRINTED = {
  CodeBlock = function(block)
    block.attributes.shortcodes = "false"
    return block
  end,
  RawBlock = function(raw)
    if not raw.format:match("^html") then return nil end
    raw.text = raw.text:gsub("{{<", raw.text:lower():find("<script", 1, true) and "{{\\u003c" or "{{&lt;")
    return raw
  end,
}

local function printed(div)
  for _, class in ipairs(div.classes) do
    if class:match("^cell%-output") then return div:walk(PRINTED) end
  end
end

--- The runs that an attribute names.
local function named_runs(element, attribute)
  local runs = pandoc.List({})
  for run in (element.attributes[attribute] or ""):gmatch("[^,%s]+") do
    if not ledger.known_runs():includes(run) then
      ledger.fail("{.when-run " .. attribute .. "=…}: " .. ledger.unknown("run", run, ledger.known_runs()))
    end
    runs:insert(run)
  end
  return runs
end

--- Whether the run that is rendered is among those that an element is for.
local function is_for_this_run(element, meta)
  local these, not_these = named_runs(element, "is"), named_runs(element, "is-not")
  if (#these == 0) == (#not_these == 0) then
    ledger.fail("{.when-run} needs either is= or is-not=, with names of runs.")
  end
  local run = ledger.run(meta)
  return these:includes(run) or #not_these > 0 and not not_these:includes(run)
end

local function has_condition(element)
  return element.classes:includes("when-claim") or element.classes:includes("when-run")
end

--- Whether an element with a condition is kept; for one that depends on a claim also this and the outcomes that it asks
--- for. Nil for any other element.
local function condition(element, meta)
  if not has_condition(element) then return nil end
  if element.classes:includes("when-run") then return is_for_this_run(element, meta) end
  local key = element.attributes["key"]
  if not key then ledger.fail("{.when-claim} needs key=analysis.name.") end
  local wanted = wanted_outcomes(element)
  local found = ledger.lookup(key, meta, "claims")
  return wanted:includes(found.record.outcome), found, wanted
end

--- An element whose condition is met and needs no word; what is in it, if the condition was all that it was for.
local function without_condition(element)
  element.classes = element.classes:filter(function(class) return class ~= "when-claim" and class ~= "when-run" end)
  for _, name in ipairs({ "key", "is", "is-not" }) do element.attributes[name] = nil end
  local bare = element.t ~= "Header" and element.attr == pandoc.Attr()
  return bare and element.content or element
end

--- `blocks`, in which `change(header, section)` has taken the place of each section whose heading has a condition.
local function with_sections(blocks, change)
  local result, i = pandoc.Blocks({}), 1
  while i <= #blocks do
    local header = blocks[i]
    i = i + 1
    if header.t == "Header" and has_condition(header) then
      local section = pandoc.Blocks({})
      while i <= #blocks and not (blocks[i].t == "Header" and blocks[i].level <= header.level) do
        section:insert(blocks[i])
        i = i + 1
      end
      result:extend(change(header, with_sections(section, change)))
    else
      result:insert(header)
    end
  end
  return result
end

--- Takes away what depends on another outcome, or is for other runs.
local function drop(meta)
  local function dropped(element)
    if condition(element, meta) == false then return {} end
  end
  return {
    traverse = "topdown", -- what is dropped with something else is not looked up
    Span = dropped,
    Div = dropped,
    Blocks = function(blocks)
      return with_sections(blocks, function(header, section)
        return dropped(header) and {} or pandoc.Blocks({ header }) .. section
      end)
    end,
  }
end

local function is_space(inline)
  return inline ~= nil and (inline.t == "Space" or inline.t == "SoftBreak")
end

--- A paragraph without the spaces around what was taken away: a mark would stand apart from its last word.
local function without_stray_spaces(paragraph)
  local inlines = pandoc.Inlines({})
  for _, inline in ipairs(paragraph.content) do
    if not (is_space(inline) and (#inlines == 0 or is_space(inlines[#inlines]))) then inlines:insert(inline) end
  end
  if is_space(inlines[#inlines]) then inlines:remove() end
  paragraph.content = inlines
  return paragraph
end

--- Whether nothing is left of a paragraph.
local function is_empty(block)
  return (block.t == "Para" or block.t == "Plain") and #block.content == 0
end

--- A list without the items of which nothing is left.
local function without_empty_items(list)
  list.content = list.content:filter(function(item)
    for _, block in ipairs(item) do
      if not is_empty(block) then return true end
    end
    return false
  end)
  return #list.content > 0 and list or {}
end

--- Says of what is kept that it depends on a claim.
local function mark_kept(meta)
  local anchored = {}
  local function anchor_of(found)
    local anchor = when_anchor(found)
    local first = not anchored[anchor]
    anchored[anchor] = true
    return first and anchor or ""
  end
  return {
    Span = function(span)
      local kept, found, wanted = condition(span, meta)
      if kept and not found then return without_condition(span) end
      return found and explained.resting_inline(found, wanted, span.content, anchor_of(found))
    end,
    Para = function(paragraph) return is_empty(paragraph) and {} or nil end,
    BulletList = without_empty_items,
    OrderedList = without_empty_items,
    Div = function(div)
      local kept, found, wanted = condition(div, meta)
      if kept and not found then return without_condition(div) end
      return found and explained.resting(found, wanted, div.content, anchor_of(found))
    end,
    Blocks = function(blocks)
      return with_sections(blocks, function(header, section)
        local _, found, wanted = condition(header, meta)
        section = pandoc.Blocks({ without_condition(header) }) .. section
        return found and explained.resting(found, wanted, section, anchor_of(found)) or section
      end)
    end,
  }
end

-- What Quarto writes for a shortcode while Pandoc reads: this, and the shortcode in hexadecimal digits. In the name
-- that Pandoc gives to a heading the semicolons are gone.
local STAND_IN = "b58fc729%-690b%-4000%-b19f%-365a4093b2ff"
local IN_NAMES = "%-?" .. STAND_IN .. "%x-3e7d7d"
local IN_TITLES = STAND_IN .. ";(%x+);"

--- What a shortcode prints as text.
local function as_text(written, meta)
  local name, words = written:match("^{{<%s*(%S+)%s*(.-)%s*>}}$")
  local handler = shortcodes[name]
  if not handler then
    ledger.fail(written .. ": in a title, or in an attribute of code, there can be only stat, claim and their like.")
  end
  local args, options = {}, {}
  for word in words:gmatch("%S+") do
    local option, value = word:match("^(%w+)=[\"']?(.-)[\"']?$")
    if option then options[option] = value else args[#args + 1] = word:match("^[\"']?(.-)[\"']?$") end
  end
  return handler(args, options, meta, {}, "text")
end

--- Shortcodes where Quarto leaves its stand-ins: in titles of links and pictures, in attributes of code and tables.
local function expanded_in_titles(document)
  local function expanded(text)
    return (text:gsub(IN_TITLES, function(digits)
      return as_text(digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end), document.meta)
    end))
  end
  local function in_title(element)
    element.title = expanded(element.title)
    return element
  end
  local function in_attributes(element)
    for name, value in pairs(element.attributes) do element.attributes[name] = expanded(value) end
    return element
  end
  return document:walk({ Link = in_title, Image = in_title, Code = in_attributes, CodeBlock = in_attributes,
    Table = in_attributes, Figure = in_attributes })
end

--- Headings named as if their shortcodes were not there, each unlike those before: "layer", "layer-1".
local function named_without_shortcodes(document)
  local marked, used = false, {}
  local function see(element)
    marked = marked or element.identifier:find(IN_NAMES) ~= nil
    if element.t ~= "Header" then used[element.identifier] = true end
  end
  document:walk({ Header = see, Div = see, Span = see })
  if not marked then return document end
  return document:walk({ Header = function(header)
    local name = header.identifier:gsub(IN_NAMES, ""):gsub("^%-", "")
    local from_words = pandoc.utils.stringify(header.content):lower():gsub("%s+", "-") == name
    if name == header.identifier and not from_words then
      used[name] = true -- the author's, or one that Pandoc changed already
      return nil
    end
    if name == "" then name = "section" end
    local free, number = name, 0
    while used[free] do
      number = number + 1
      free = name .. "-" .. number
    end
    used[free] = true
    header.identifier = free
    return header
  end })
end

--- Quarto expands no shortcode of a document that has them in formulas only: it looks for them everywhere else. So
--- there is one elsewhere, in a format that nothing writes.
local function with_shortcodes_in_formulas(document)
  local hidden = false
  document:walk({ Math = function(math) hidden = hidden or math.text:find("{{<", 1, true) ~= nil end })
  if hidden then document.blocks:insert(pandoc.RawBlock("mechscope", "{{<")) end
  return document
end

function Pandoc(document)
  local about = ledger.about_document(document.meta)
  document = named_without_shortcodes(document)
  document = expanded_in_titles(document)
  document = document:walk({ RawBlock = without_comments, RawInline = without_comments }):walk(latex.filter)
  document = document:walk({ Div = printed })
  document = document:walk({
    Div = function(div)
      if div.classes:includes("cited-numbers") then return documents.numbers(about) end
      if div.classes:includes("cited-claims") then return claims.list(about) end
      if div.classes:includes("all-runs") then return documents.runs(ledger.colophon(document.meta)) end
    end,
  })
  document = document:walk(drop(document.meta))
  document = document:walk({ Para = without_stray_spaces, Plain = without_stray_spaces })
  document = document:walk(mark_kept(document.meta))
  if quarto.doc.include_text and quarto.doc.is_format("html") then
    quarto.doc.include_text("in-header", documents.described(document.meta))
    local site = ledger.colophon(document.meta)
    if site then quarto.doc.include_text("after-body", documents.colophon(site)) end
  end
  document = with_shortcodes_in_formulas(document)
  document = document:walk(documents.given)
  if quarto.doc.is_format("typst") then document = document:walk({ Str = apostrophes }) end
  if about then document.blocks = documents.banner(about.banner) .. document.blocks end
  return document
end
