-- When an event arrived, as RFC 3339. Only rows of other producers have no ReceivedAt of ours: they came a little after
-- the time in the object's name.
CASE
  WHEN regexp_like(receivedat, '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$') THEN receivedat
  ELSE coalesce(
    regexp_extract("$path", '-([0-9]{4}-[0-9]{2}-[0-9]{2})-[0-9]{2}-[0-9]{2}-[0-9]{2}-', 1) || 'T'
      || replace(
        regexp_extract("$path", '-[0-9]{4}-[0-9]{2}-[0-9]{2}-([0-9]{2}-[0-9]{2}-[0-9]{2})-', 1), '-', ':'
      ) || '.000Z',
    dt || 'T00:00:00.000Z'
  )
END
