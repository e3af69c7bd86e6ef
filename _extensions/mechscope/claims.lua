--- The claims of a document as a list, for readers who have nothing but the document (`documents.json` holds the texts).

local pieces = require("pieces")
local str, words = pieces.typst_string, pieces.words

local M = {}

local NBSP = "\u{a0}"

local function typst() return quarto.doc.is_format("typst") end

local function outcome(claim) return claim.outcome .. (claim.exploratory and ", exploratory" or "") end

-- In a PDF --------------------------------------------------------------------------------------------------

local HEAD = [==[
#{
set text(size: 8pt, hyphenate: false)
set par(justify: false, leading: 0.5em, spacing: 0.5em)
show raw: set text(size: 6.6pt)
let quiet(body) = text(fill: luma(35%), body)
let section(title, rerun, command) = block(above: 1.5em, below: 0.8em, sticky: true)[
  #text(size: 9pt, emph(title)) #linebreak() #quiet[#(rerun + "; run it yourself: ")#raw(command)]
]
let entry(outcome, key, sentence, criterion, evidence, seen) = block(above: 0.9em, below: 0.9em, breakable: false, grid(
  columns: (5.4em, 1fr), column-gutter: 0.8em, strong(outcome),
  [#sentence #quiet(raw(key)) #if criterion != "" [ #linebreak() #raw(criterion)]#if evidence != "" [ #linebreak() #quiet(evidence)]#if seen != "" [ #linebreak() #quiet(emph(seen))]],
))
]==]

local function in_typst(sections)
  local lines = pandoc.List({ HEAD })
  for _, section in ipairs(sections) do
    lines:insert("section(" .. str(section.section) .. ", " .. str(section.rerun) .. ", " .. str(section["repeat"]) .. ")")
    for _, row in ipairs(section.rows) do
      local seen = row.seen ~= "" and "exploratory: " .. row.seen or ""
      lines:insert("entry(" .. table.concat({ str(outcome(row)), str(row.key), str(row.sentence), str(row.criterion),
        str((row.evidence:gsub(" ([=<]) ", NBSP .. "%1" .. NBSP))), str(seen) }, ", ") .. ")")
    end
    if #section.rest > 0 then
      local rest = pandoc.List({})
      for _, claim in ipairs(section.rest) do
        rest:insert("[#" .. str((claim.sentence:gsub("%.$", ""))) .. " (#emph(" .. str(outcome(claim)) .. "))]")
      end
      lines:insert("block(above: 0.9em, quiet[Also asked by this analysis, and not in the text: #("
        .. table.concat(rest, ", ") .. ",).join([; ]).])")
    end
  end
  lines:insert("}")
  return pandoc.Blocks({ pandoc.RawBlock("typst", table.concat(lines, "\n")) })
end

-- Elsewhere -------------------------------------------------------------------------------------------------

local function item(row)
  local inlines = pandoc.Inlines({ pandoc.Strong(words(outcome(row))), pandoc.Str(":"), pandoc.Space() })
  inlines:extend(words(row.sentence))
  inlines:extend({ pandoc.Space(), pandoc.Code(row.key) })
  if row.criterion and row.criterion ~= "" then inlines:extend({ pandoc.LineBreak(), pandoc.Code(pieces.inert(row.criterion)) }) end
  if row.evidence and row.evidence ~= "" then
    inlines:insert(pandoc.LineBreak())
    inlines:extend(words(row.evidence))
  end
  return pandoc.Blocks({ pandoc.Plain(inlines) })
end

local function elsewhere(sections)
  local blocks = pandoc.Blocks({})
  for _, section in ipairs(sections) do
    local head = words(section.section)
    head = pandoc.Inlines({ pandoc.Emph(head), pandoc.Str(":"), pandoc.Space() })
    head:extend(words(section.rerun .. "; run it yourself:"))
    head:extend({ pandoc.Space(), pandoc.Code(section["repeat"]) })
    blocks:insert(pandoc.Para(head))
    local items = pandoc.List({})
    for _, row in ipairs(section.rows) do items:insert(item(row)) end
    for _, row in ipairs(section.rest) do items:insert(item(row)) end
    blocks:insert(pandoc.BulletList(items))
  end
  return pandoc.Blocks({ pandoc.Div(blocks, pandoc.Attr("", { "ms-cited-claims" })) })
end

--- The claims that a document states or depends on, as blocks, by analysis.
function M.list(about)
  if not about or #about.claims == 0 then
    return pandoc.Blocks({ pandoc.Para(words("This document makes no claim.")) })
  end
  return typst() and in_typst(about.claims) or elsewhere(about.claims)
end

return M
