--- Prose that depends on a result:
---
---   ::: {.when-claim key=topic_geometry.abstraction_beats_controversy is=held}
---   …
---   :::
---
--- is kept when the claim's outcome is among those in `is` ("held", "failed", "untestable", or several), and
--- dropped otherwise. What is kept ends with a mark that says so and leads to the claim. Runs before shortcodes expand,
--- so keys in a dropped branch are not looked up here; the check before a render reads them in the source.
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

-- The engine copies the script into the site and links it from the page.
if quarto.doc.add_html_dependency and quarto.doc.is_format("html") then
  quarto.doc.add_html_dependency({
    name = "mechscope",
    version = "0.1.0",
    scripts = { { path = "../../paper/assets/mechscope.js", name = "mechscope.js" } },
  })
end

local OUTCOMES = { "held", "failed", "untestable" }

local function wanted_outcomes(div)
  local wanted = pandoc.List({})
  local is = div.attributes["is"] or ""
  for outcome in is:gmatch("[^,%s]+") do
    if not pandoc.List(OUTCOMES):includes(outcome) then
      ledger.fail("::: {.when-claim is=" .. is .. "}: " .. ledger.unknown("outcome", outcome, OUTCOMES))
    end
    wanted:insert(outcome)
  end
  if #wanted == 0 then
    ledger.fail("::: {.when-claim} needs is=held, is=failed or is=untestable.")
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

function Pandoc(document)
  local anchored = {}
  local about = ledger.about_document(document.meta)
  document = document:walk({
    Div = function(div)
      if div.classes:includes("cited-numbers") then return documents.numbers(about) end
      if div.classes:includes("cited-claims") then return claims.list(about) end
      if div.classes:includes("all-runs") then return documents.runs(ledger.colophon(document.meta)) end
      if not div.classes:includes("when-claim") then return nil end
      local key = div.attributes["key"]
      if not key then ledger.fail("::: {.when-claim} needs key=analysis.name.") end
      local wanted = wanted_outcomes(div)
      local found = ledger.lookup(key, document.meta, "claims")
      if not wanted:includes(found.record.outcome) then return {} end
      local anchor = when_anchor(found)
      local first = not anchored[anchor]
      anchored[anchor] = true
      return explained.resting(found, wanted, div.content, first and anchor or "")
    end,
  })
  if quarto.doc.include_text and quarto.doc.is_format("html") then
    quarto.doc.include_text("in-header", documents.described(document.meta))
    local site = ledger.colophon(document.meta)
    if site then quarto.doc.include_text("after-body", documents.colophon(site)) end
  end
  document = document:walk(documents.given)
  if quarto.doc.is_format("typst") then document = document:walk({ Str = apostrophes }) end
  if about then document.blocks = documents.banner(about.banner) .. document.blocks end
  return document
end
