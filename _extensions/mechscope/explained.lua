--- Links that explain a record in a popover, and how an article marks what depends on a claim.

local ledger = require("ledger")
local pieces = require("pieces")

local M = {}

local MARKS = { held = "held", failed = "failed", untestable = "not testable" }
local SIGNS = { held = "✓", failed = "✗", untestable = "?" }
local SHOWN = { held = "held", failed = "failed", untestable = "could not be tested" }

--- A link that explains a record; the popover's content travels with it, so that a page needs nothing else.
--
-- `first`, a name and a text, is a line above those of the record. `attributes` are the link's own.
function M.link(found, inlines, class, id, first, attributes)
  attributes = attributes or {}
  local note = ledger.note(found)
  if note then
    local lines = pandoc.List(first and { first } or {})
    lines:extend(note.lines)
    attributes["data-ms"] = pieces.json({ title = note.title, lines = lines, code = ledger.code_at(found) })
  end
  return pandoc.Link(inlines, ledger.explained_at(found), "", pandoc.Attr(id or "", { class }, attributes))
end

local function exploratory(found)
  local note = ledger.note(found)
  return note ~= nil and note.exploratory == true
end

--- What became of a claim, in words: "held, exploratory".
function M.outcome(found)
  return MARKS[found.record.outcome] .. (exploratory(found) and ", exploratory" or "")
end

-- Prose that depends on a claim -----------------------------------------------------------------------------

--- "only where this claim failed or could not be tested", from the outcomes that a Div asks for, in their order.
local function condition(outcomes)
  local words = {}
  for i, outcome in ipairs(outcomes) do words[i] = SHOWN[outcome] end
  return "printed only where this claim " .. table.concat(words, " or ")
end

--- The mark at the end of prose that is printed because of a claim's outcome.
--
-- A PDF, whose reader can't ask, only says that the criterion came after a look at results.
local function mark(found, outcomes)
  local late = exploratory(found)
  if quarto.doc.is_format("typst") then
    return pandoc.Inlines(late and { pandoc.RawInline("typst", "#h(0.15em)#super(text(fill: luma(35%))[exploratory]);") } or {})
  end
  if not quarto.doc.is_format("html") then return pandoc.Inlines({}) end
  local text = SIGNS[found.record.outcome] .. (late and "\u{a0}exploratory" or "")
  return pandoc.Inlines({ M.link(found, { pandoc.Str(text) }, "ms-rests", "", { "This passage", condition(outcomes) }, {
    ["aria-label"] = "depends on the claim “" .. pieces.inert(found.record.sentence) .. "”: " .. M.outcome(found),
  }) })
end

--- Whether a paragraph holds a formula that stands by itself: with words after it, it would lose its number.
local function has_display(paragraph)
  for _, inline in ipairs(paragraph.content) do
    if inline.t == "Math" and inline.mathtype == "DisplayMath" then return true end
  end
  return false
end

--- `blocks` with `inlines` where their last paragraph ends; nil where they have none.
--
-- Not in one that is a single word, which may be a shortcode: only alone can that become a figure or table.
local function at_the_end(blocks, inlines)
  local all = pandoc.Blocks(blocks)
  for i = #all, 1, -1 do
    local block = all[i]
    if (block.t == "Para" or block.t == "Plain") and #block.content > 1 and not has_display(block) then
      block.content:extend(inlines)
    elseif block.t == "Div" and block.classes:includes("ms-when") then
      block.content = at_the_end(block.content, inlines) or block.content .. { pandoc.Plain(inlines) }
    elseif block.t == "BulletList" or block.t == "OrderedList" then
      local items = block.content
      items[#items] = at_the_end(items[#items], inlines) or items[#items] .. { pandoc.Plain(inlines) }
      block.content = items
    else
      goto above
    end
    all[i] = block
    do return all end
    ::above::
  end
end

--- The content of a span that depends on a claim, with its mark, as inlines.
function M.resting_inline(found, outcomes, content, anchor)
  local inlines = pandoc.Inlines(content)
  inlines:extend(mark(found, outcomes))
  if not quarto.doc.is_format("html") then return inlines end
  return pandoc.Inlines({ pandoc.Span(inlines, pandoc.Attr(anchor, { "ms-when" })) })
end

--- The content of a Div whose prose depends on a claim, with its mark; `anchor` is the id of the first one.
--
-- On a page the content stays together, so that it can be shown which passage a mark speaks of. Not with a heading in
-- it: that would no longer be a section of the page.
function M.resting(found, outcomes, content, anchor)
  local inlines = mark(found, outcomes)
  local blocks = pandoc.Blocks(content)
  if #inlines > 0 then blocks = at_the_end(blocks, inlines) or blocks .. { pandoc.Para(inlines) } end
  if not quarto.doc.is_format("html") then return blocks end
  for _, block in ipairs(blocks) do
    if block.t == "Header" then
      return anchor == "" and blocks or pandoc.Blocks({ pandoc.Div({}, pandoc.Attr(anchor)) }) .. blocks
    end
  end
  return pandoc.Blocks({ pandoc.Div(blocks, pandoc.Attr(anchor, { "ms-when" })) })
end

return M
