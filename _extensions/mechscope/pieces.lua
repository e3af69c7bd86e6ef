--- Texts of ledgers as pieces of a document, in which nothing is read as markup.

local M = {}

-- Quarto expands shortcodes in attributes, code and raw content even where one gave them: there a text must not look
-- like one. Among words it may.

--- As a string of Typst's, with its quotation marks.
function M.typst_string(text)
  return '"' .. text:gsub("\\", "\\\\"):gsub('"', '\\"'):gsub("{{<", "{{\\u{3c}") .. '"'
end

--- As JSON.
function M.json(value)
  return (pandoc.json.encode(value):gsub("{{<", "{{\\u003c"))
end

--- For an attribute or code: with a mark between its signs that has no width.
function M.inert(text)
  return (text:gsub("{{<", "{{\u{2060}<"))
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
