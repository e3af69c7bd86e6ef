-- The heading that citeproc puts above the references: a section of the page, under its title. citeproc makes it a
-- heading of the first level whatever the page's own sections are.
function Pandoc(document)
  if not FORMAT:match("html") then
    return nil
  end
  local blocks = document.blocks
  for at = 2, #blocks do
    local before = blocks[at - 1]
    if blocks[at].t == "Div" and blocks[at].identifier == "refs" and before.t == "Header" then
      before.level = 2
    end
  end
  return document
end
