--- Authors in the many forms in which Quarto takes them, as one: by-author = {{name, url, email, orcid, affiliations}}.

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

  local PARTS = { "department", "group", "name", "city", "region", "state", "country" }

  --- An affiliation as words: its parts in the order of an address.
  local function described(value)
    if kind(value) ~= "table" then return pandoc.Inlines(value) end
    local words = pandoc.Inlines({})
    for _, part in ipairs(PARTS) do
      if value[part] then
        if #words > 0 then words:extend({ pandoc.Str(","), pandoc.Space() }) end
        words:extend(pandoc.Inlines(value[part]))
      end
    end
    return words
  end

  --- The affiliations that have an id, wherever they are written.
  local function with_ids(meta, authors)
    local known = {}
    local function note(values)
      for _, value in ipairs(entries(values)) do
        if kind(value) == "table" and value.id then known[pandoc.utils.stringify(value.id)] = value end
      end
    end
    note(meta.affiliations)
    note(meta.affiliation)
    for _, value in ipairs(authors) do
      if kind(value) == "table" then
        note(value.affiliations)
        note(value.affiliation)
      end
    end
    return known
  end

  local function author(value, known)
    if kind(value) ~= "table" then return { name = value } end
    local one = { name = name_of(value.name or value), url = value.url, email = value.email }
    if value.orcid then
      -- With or without the address before it.
      one.orcid = pandoc.utils.stringify(value.orcid):gsub("^https?://orcid%.org/", "")
    end
    local affiliations = pandoc.List({})
    for _, affiliation in ipairs(entries(value.affiliations or value.affiliation)) do
      local ref = kind(affiliation) == "table" and affiliation.ref and pandoc.utils.stringify(affiliation.ref)
      if ref and not known[ref] then
        local ids = {}
        for id in pairs(known) do ids[#ids + 1] = "'" .. id .. "'" end
        table.sort(ids)
        surroundings.problem("no affiliation has the id '" .. ref .. "'"
          .. (#ids > 0 and "; there are: " .. table.concat(ids, ", ") or ""), "ref: " .. ref)
      else
        affiliations:insert(described(ref and known[ref] or affiliation))
      end
    end
    if #affiliations > 0 then one.affiliations = affiliations end
    return one
  end

  function M.normalise(meta)
    local authors, written = pandoc.List({}), entries(meta.author or meta.authors)
    local known = with_ids(meta, written)
    for _, value in ipairs(written) do authors:insert(author(value, known)) end
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
