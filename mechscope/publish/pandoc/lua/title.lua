--- Authors in the many forms in which Quarto takes them, as one: by-author = {{name, url, orcid, affiliations}}.

return function(surroundings)
  local M = {}
  local kind = pandoc.utils.type

  local function entries(value)
    if value == nil then return {} end
    if kind(value) == "List" then return value end
    return { value }
  end

  local function name_of(value)
    if kind(value) ~= "table" then return value end
    if value.literal then return value.literal end
    local parts = pandoc.Inlines({})
    for _, key in ipairs({ "given", "family" }) do
      if value[key] then
        if #parts > 0 then parts:insert(pandoc.Space()) end
        parts:extend(pandoc.Inlines(value[key]))
      end
    end
    return parts
  end

  local function author(value)
    if kind(value) ~= "table" then return { name = value } end
    local one = { name = name_of(value.name), url = value.url, orcid = value.orcid, email = value.email }
    local affiliations = pandoc.List({})
    for _, affiliation in ipairs(entries(value.affiliations or value.affiliation)) do
      affiliations:insert(kind(affiliation) == "table" and affiliation.name or affiliation)
    end
    if #affiliations > 0 then one.affiliations = affiliations end
    return one
  end

  function M.normalise(meta)
    local authors = pandoc.List({})
    for _, value in ipairs(entries(meta.author or meta.authors)) do authors:insert(author(value)) end
    local names = pandoc.List({})
    for _, one in ipairs(authors) do names:insert(pandoc.utils.stringify(one.name or "")) end
    if #authors > 0 then
      meta["by-author"] = authors
      meta["author-names"] = names
      meta.author = nil
      if #authors > 1 then meta["author-plural"] = true end
    end
    if meta.description then meta["description-plain"] = pandoc.utils.stringify(meta.description) end
    return meta
  end

  return M
end
