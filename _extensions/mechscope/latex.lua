--- LaTeX that stands in Markdown by itself: a formula becomes one in every format, a break of the page one in a PDF.
---
--- Without this it is in no PDF, because Typst reads no LaTeX. Other LaTeX is refused before a render.

local M = {}

local MATHS = pandoc.List({ "align", "alignat", "aligned", "alignedat", "eqnarray", "equation", "flalign", "gather", "gathered",
  "multline", "multlined", "split" })
local BREAKS = pandoc.List({ "\\newpage", "\\pagebreak", "\\clearpage" })

local function is_tex(raw) return raw.format == "tex" or raw.format == "latex" end

--- The formula that raw LaTeX is as a whole, or nil.
local function formula(raw)
  local name = raw.text:match("^%s*\\begin{(%a+)%*?}")
  if not is_tex(raw) or not name or not MATHS:includes(name) then return nil end
  return pandoc.Math("DisplayMath", (raw.text:gsub("^%s+", ""):gsub("%s+$", "")))
end

M.filter = {
  RawBlock = function(raw)
    local math = formula(raw)
    if math then return pandoc.Para({ math }) end
    if is_tex(raw) and BREAKS:includes((raw.text:gsub("%s", ""))) then
      if quarto.doc.is_format("typst") then return pandoc.RawBlock("typst", "#pagebreak(weak: true)") end
      return {}
    end
  end,
  RawInline = formula,
}

return M
