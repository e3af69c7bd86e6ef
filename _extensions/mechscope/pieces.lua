--- Texts of ledgers as pieces of a document, in which nothing is read as markup.

local M = {}

--- As a string of Typst's, with its quotation marks.
function M.typst_string(text)
  return '"' .. text:gsub("\\", "\\\\"):gsub('"', '\\"') .. '"'
end

--- As words between which a line may break.
function M.words(text)
  local inlines = pandoc.Inlines({})
  for word in text:gmatch("%S+") do
    if #inlines > 0 then inlines:insert(pandoc.Space()) end
    inlines:insert(pandoc.Str(word))
  end
  return inlines
end

return M
