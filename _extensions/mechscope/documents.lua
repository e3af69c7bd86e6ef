--- What the filter adds to a document: its banner, and the table of the numbers that it cites.
--
-- Both are prepared before a render (`paper/_generated/<run>/documents.json`); here they are only laid out.

local ledger = require("ledger")
local pieces = require("pieces")
local typst_string, words = pieces.typst_string, pieces.words

local M = {}

local NBSP = "\u{a0}"

local function html() return quarto.doc.is_format("html") end
local function typst() return quarto.doc.is_format("typst") end

local function span(class, inlines) return pandoc.Span(inlines, pandoc.Attr("", { class })) end

-- The banner ------------------------------------------------------------------------------------------------

local function checked(banner)
  if banner.verified == "" or banner.date == "" then return banner.verified end
  return banner.verified .. ", " .. banner.date
end

local function switch(banner)
  local links = pandoc.Inlines({})
  for i, other in ipairs(banner.others) do
    if i > 1 then links:extend({ pandoc.Str(","), pandoc.Space() }) end
    -- The other run's site may not be there: the list of runs always is, and the script leads past it.
    links:insert(pandoc.Link(words(other.title), ledger.from_document("../runs.html") .. "#" .. banner.anchor, "",
      pandoc.Attr("", { "ms-other-run" }, { ["data-run"] = other.run, ["data-page"] = banner.page })))
  end
  return links
end

--- What a reader must know before the first sentence: whom its words are about, and what the run does not have.
local function notes(banner)
  local lines = pandoc.List({})
  if banner.written and banner.written ~= "" then lines:insert(banner.written) end
  lines:extend(banner.missing or {})
  return lines
end

local function banner_html(banner)
  local run = words("Run")
  run:extend({ pandoc.Space(), pandoc.Strong(words(banner.run)) })
  local parts = pandoc.Inlines({ span("ms-banner-run", run) })
  if banner.verified ~= "" then
    local numbers = ledger.from_document("paper/_generated/" .. ledger.current_run .. "/numbers.html#verification")
    local link = pandoc.Link(words(banner.verified), numbers)
    local text = pandoc.Inlines({ link })
    if banner.date ~= "" then text:extend(words(", " .. banner.date)) end
    parts:extend({ pandoc.Space(), span("ms-banner-verified ms-verified-" .. banner.state, text) })
  end
  if banner.exploratory ~= "" then
    local claims = ledger.from_document("paper/_generated/" .. ledger.current_run .. "/claims.html")
    parts:extend({ pandoc.Space(),
      span("ms-banner-claims", pandoc.Inlines({ pandoc.Link(words(banner.exploratory), claims) })) })
  end
  if #banner.others > 0 then
    local others = words("The same from")
    others:insert(pandoc.Space())
    others:extend(switch(banner))
    parts:extend({ pandoc.Space(), span("ms-banner-runs", others) })
  end
  local blocks = pandoc.Blocks({ pandoc.Para(parts) })
  local lines = notes(banner)
  if #lines > 0 then
    blocks:insert(pandoc.BulletList(lines:map(function(line) return pandoc.Blocks({ pandoc.Plain(words(line)) }) end)))
  end
  return pandoc.Div(blocks, pandoc.Attr("", { "ms-banner" }, { role = "note" }))
end

--- The banner as blocks.
function M.banner(banner)
  if html() then return pandoc.Blocks({ banner_html(banner) }) end
  local text = "Run " .. banner.run
  if banner.verified ~= "" then text = text .. " · " .. checked(banner) end
  -- On the web the words lead to the page of numbers, which says how to run it again.
  if banner.verified ~= "" then text = text .. "; run it yourself: " .. banner["repeat"] end
  if banner.exploratory ~= "" then text = text .. " · " .. banner.exploratory end
  local lines = notes(banner)
  if typst() then
    local parts = pandoc.List({ "#" .. typst_string(text) })
    parts:extend(lines:map(function(line)
      return "#parbreak() #" .. typst_string(line)
    end))
    local inside = "text(size: 0.86em, fill: luma(35%))[" .. table.concat(parts, " ") .. "]"
    local frame = #lines > 0 and "stroke: 0.4pt + luma(70%), inset: 0.7em, width: 100%, " or ""
    return pandoc.Blocks({ pandoc.RawBlock("typst", "#block(" .. frame .. inside .. ")") })
  end
  local blocks = pandoc.Blocks({ pandoc.Para({ pandoc.Emph(words(text)) }) })
  for _, line in ipairs(lines) do blocks:insert(pandoc.Para({ pandoc.Emph(words(line)) })) end
  return blocks
end

--- All runs with results, each linked to the same page of its site, and what their counts share, as blocks.
function M.runs(site)
  local items = pandoc.List({})
  local page = ledger.document():gsub("%.[^.]+$", ".html")
  for _, run in ipairs(site and site.runs or {}) do
    local name = pandoc.Inlines(words(run.title))
    if run.here then
      name = pandoc.Inlines({ pandoc.Strong(name), pandoc.Space() })
      name:extend(words("(shown here)"))
    elseif html() then
      name = pandoc.Inlines({ pandoc.Link(name, ledger.from_document("../runs.html"), "",
        pandoc.Attr("", { "ms-other-run" }, { ["data-run"] = run.run, ["data-page"] = page })) })
    end
    if run.held ~= "" then
      name:extend({ pandoc.Str(":"), pandoc.Space() })
      name:extend(words(run.held))
    end
    items:insert(pandoc.Blocks({ pandoc.Plain(name) }))
  end
  if #items == 0 then return pandoc.Blocks({}) end
  local blocks = pandoc.Blocks({ pandoc.BulletList(items) })
  if site.same ~= "" then blocks:insert(pandoc.Para(words(site.same))) end
  return blocks
end

-- Given numbers -----------------------------------------------------------------------------------------------------

local GIVEN = "Given by the authors: chosen or known beforehand, not measured here"

--- What is marked as given, so that a reader tells it from what was measured: a line below it, in a PDF too.
M.given = {
  traverse = "topdown",
  Header = function(header) return header, false end, -- which also stands in lists of contents
  Span = function(mark)
    if not mark.classes:includes("given") then return nil end
    if html() then
      mark.attributes.title = GIVEN
      return mark, false
    end
    if not typst() then return nil end
    local inlines = pandoc.Inlines({ pandoc.RawInline("typst", "#underline(stroke: 0.4pt + luma(65%), offset: 1.8pt)[") })
    inlines:extend(mark.content)
    inlines:insert(pandoc.RawInline("typst", "]"))
    return inlines, false
  end,
}

-- Head and foot of a page -----------------------------------------------------------------------------------

local function escaped(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

local function said(meta, key) return meta[key] and pandoc.utils.stringify(meta[key]):gsub("%s+", " ") or "" end

--- What other sites show of a page that they link to, as elements of its head.
function M.described(meta)
  local title, own = said(meta, "title"), said(meta, "description")
  local description = own
  for _, key in ipairs({ "subtitle", "abstract" }) do
    if description == "" then description = said(meta, key) end
  end
  local lines = pandoc.List({})
  local function property(name, text)
    if text ~= "" then lines:insert('<meta property="og:' .. name .. '" content="' .. escaped(text) .. '">') end
  end
  -- An engine writes a description that the front matter has.
  if own == "" and description ~= "" then
    lines:insert('<meta name="description" content="' .. escaped(description) .. '">')
  end
  property("type", "article")
  property("title", title)
  property("description", description)
  return table.concat(lines, "\n")
end

--- The foot of a page as HTML: the articles beside it, what it was rendered from, how to cite it.
function M.colophon(site)
  local around = site.around[ledger.document()] or {}
  local beside = pandoc.List({})
  for _, side in ipairs({ "previous", "next" }) do
    local other = around[side]
    if other then
      beside:insert('<a class="ms-' .. side .. '" rel="' .. (side == "next" and "next" or "prev") .. '" href="'
        .. escaped(ledger.from_document(other.page)) .. '"><span>' .. (side == "next" and "Next" or "Previous")
        .. "</span> " .. escaped(other.title) .. "</a>")
    end
  end
  local facts = pandoc.List({ "Run " .. escaped(site.run) })
  if site.results ~= "" then facts:insert("results of commit " .. escaped(site.results)) end
  if site.licence ~= "" then facts:insert("licence " .. escaped(site.licence)) end
  if site.repository ~= "" then facts:insert('<a href="' .. escaped(site.repository) .. '">source</a>') end
  local lines = pandoc.List({ '<footer class="ms-colophon">' })
  if #beside > 0 then
    lines:insert('<nav class="ms-beside" aria-label="Articles">' .. table.concat(beside, "\n") .. "</nav>")
  end
  lines:insert("<p>" .. table.concat(facts, " · ") .. "</p>")
  if site.cite ~= "" then lines:insert("<p>Cite as: " .. escaped(site.cite) .. "</p>") end
  lines:insert("</footer>")
  return table.concat(lines, "\n")
end

-- The numbers -----------------------------------------------------------------------------------------------

local HEADS = { "Number", "Value", "Interval", "p", "n", "Cell" }
local FIELDS = { "value", "interval", "p", "n", "cell" }

local function numbers_typst(sections)
  local lines = pandoc.List({
    "#{",
    "set text(size: 8pt, hyphenate: false, top-edge: \"cap-height\", bottom-edge: \"baseline\")",
    "set par(justify: false, leading: 0.5em)",
    "show raw: set text(size: 6.6pt)",
    "show table.cell.where(y: 0): strong",
    "table(",
    -- The first column holds nothing: a cell over two rows keeps a section's heading beside its first number.
    "  columns: (0pt, 1fr, auto, auto, auto, auto, auto), stroke: none,",
    "  inset: (x, y) => (x: if x == 0 { 0pt } else { 4pt }, y: 3.4pt),",
    "  align: (left, left, right, right, right, right, left),",
    "  table.header([], [" .. table.concat(HEADS, "], [") .. "], table.hline(stroke: 0.6pt)),",
  })
  for _, section in ipairs(sections) do
    if section.section ~= "" then
      lines:insert("  table.cell(rowspan: 2, breakable: false)[], table.cell(colspan: 6, inset: (x: 4pt, top: 9pt, "
        .. "bottom: 3.4pt))[#emph[#" .. typst_string(section.section) .. "]],")
    end
    for i, row in ipairs(section.rows) do
      local cells = pandoc.List(i == 1 and section.section ~= "" and {} or { "[]" })
      cells:insert("[#" .. typst_string(row.label) .. " #linebreak() #raw(" .. typst_string(row.key) .. ")]")
      for _, field in ipairs(FIELDS) do
        local text = row[field]
        if field == "cell" then
          cells:insert("[#raw(" .. typst_string(text) .. ")]")
        else
          cells:insert("[#" .. typst_string(field == "value" and text or text:gsub(" ", NBSP)) .. "]")
        end
      end
      lines:insert("  " .. table.concat(cells, ", ") .. ",")
    end
  end
  lines:extend({ "  table.hline(stroke: 0.6pt),", ")", "}" })
  return pandoc.Blocks({ pandoc.RawBlock("typst", table.concat(lines, "\n")) })
end

local function numbers_table(sections)
  local rows, aligns, widths, heads = {}, {}, {}, {}
  for i, head in ipairs(HEADS) do
    heads[i] = pandoc.Blocks({ pandoc.Plain(words(head)) })
    aligns[i] = (i == 1 or i == #HEADS) and pandoc.AlignLeft or pandoc.AlignRight
    widths[i] = 0
  end
  for _, section in ipairs(sections) do
    for _, row in ipairs(section.rows) do
      local label = words(row.label)
      label:extend({ pandoc.Space(), pandoc.Code(row.key) })
      local cells = { pandoc.Blocks({ pandoc.Plain(label) }) }
      for i, field in ipairs(FIELDS) do cells[i + 1] = pandoc.Blocks({ pandoc.Plain(words(row[field])) }) end
      rows[#rows + 1] = cells
    end
  end
  local whole = pandoc.utils.from_simple_table(pandoc.SimpleTable({}, aligns, widths, heads, rows))
  whole.classes:insert("ms-table")
  return pandoc.Blocks({ pandoc.Div({ whole }, pandoc.Attr("", { "ms-cited-numbers" })) })
end

--- The statistics that the document cites, as blocks, by section and in the order of the text.
function M.numbers(about)
  if not about or #about.numbers == 0 then
    return pandoc.Blocks({ pandoc.Para(words("This document cites no number.")) })
  end
  return typst() and numbers_typst(about.numbers) or numbers_table(about.numbers)
end

return M
