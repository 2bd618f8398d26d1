-- The events of the archive as rows of Personalize's import file, and why the others are left out.
-- Not a saved query: ops/archive/interactions.py puts the chosen properties and one of two endings to it.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH archived AS (
  SELECT
    userid,
    sessionid,
    eventtype,
    eventid,
    action IS NOT NULL AS is_action,
    event IS NOT NULL AS is_event,
    json_extract_scalar(event, '$.itemId') AS itemid,
    try_cast(json_extract_scalar(event, '$.eventValue') AS double) AS eventvalue,
    sentat,
    -- Only rows of other producers have no ReceivedAt: they came a little after the time in the object's name.
    coalesce(
      receivedat,
      regexp_extract("$path", '-([0-9]{4}-[0-9]{2}-[0-9]{2})-[0-9]{2}-[0-9]{2}-[0-9]{2}-', 1) || 'T'
        || replace(regexp_extract("$path", '-[0-9]{4}-[0-9]{2}-[0-9]{2}-([0-9]{2}-[0-9]{2}-[0-9]{2})-', 1), '-', ':')
        || '.000Z',
      dt || 'T00:00:00.000Z'
    ) AS arrived,
    recommendationid,
    array_join(impression, '|') AS impression,
    CASE WHEN eventid IS NULL THEN concat_ws(chr(31), sessionid, eventtype, event, sentat) END AS content
    /* properties */
  FROM events
  WHERE dt BETWEEN ? AND ?
),
numbered AS (
  -- The first row of an EventId counts. Rows without one are an event each.
  SELECT
    archived.*,
    eventid IS NOT NULL AND is_event
      AND row_number() OVER (PARTITION BY eventid, is_action, content ORDER BY arrived) > 1 AS is_copy
  FROM archived
),
claimed AS (
  SELECT numbered.*, CASE WHEN is_event AND NOT is_copy THEN userid END AS claimant FROM numbered
),
owned AS (
  -- A visitor's events belong to the user who signed in before them in the session, else to the first one after them.
  SELECT
    claimed.*,
    coalesce(
      userid,
      last_value(claimant) IGNORE NULLS OVER (
        PARTITION BY sessionid ORDER BY arrived ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ),
      first_value(claimant) IGNORE NULLS OVER (
        PARTITION BY sessionid ORDER BY arrived ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
      )
    ) AS owner,
    CASE
      WHEN sentat IS NULL THEN to_unixtime(TRY(from_iso8601_timestamp(arrived)))
      ELSE coalesce(
        try_cast(sentat AS double),
        to_unixtime(TRY(from_iso8601_timestamp(replace(replace(upper(sentat), ' ', 'T'), ':60', ':59'))))
      )
    END AS happened
  FROM claimed
),
judged AS (
  SELECT
    owned.*,
    CASE
      WHEN is_action THEN 'action interactions'
      WHEN NOT is_event THEN 'lines that hold no event'
      WHEN is_copy THEN 'sent or stored again'
      WHEN coalesce(itemid, '') = '' THEN 'without an item'
      WHEN coalesce(owner, '') = '' THEN 'of sessions without a user'
      WHEN coalesce(eventtype, '') = '' THEN 'without an event type'
      WHEN length(itemid) > 256 OR length(owner) > 256 THEN 'with an id of more than 256 characters'
      WHEN happened IS NULL OR happened NOT BETWEEN 0 AND 253402300799 THEN 'without a time'
    END AS left_out
  FROM owned
)
