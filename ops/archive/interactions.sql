-- The events of the archive as rows of Personalize's import file, and why the others are left out.
-- Not a saved query: ops/archive/interactions.py puts the chosen properties and one of two endings to it.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH archived AS (
  SELECT
    userid,
    coalesce(sessionid, '') AS sessionid,
    eventtype,
    eventid,
    action IS NOT NULL AS is_action,
    event IS NOT NULL AS is_event,
    json_extract_scalar(event, '$.itemId') AS itemid,
    try_cast(json_extract_scalar(event, '$.eventValue') AS double) AS eventvalue,
    sentat,
    regexp_extract(sentat, '([+-][0-9]{2}:[0-9]{2})$', 1) AS zone,
    /* arrived */ AS arrived,
    recommendationid,
    array_join(impression, '|') AS impression,
    cardinality(impression) AS impression_length,
    CASE WHEN eventid IS NULL THEN concat_ws(chr(31), sessionid, eventtype, event, sentat) END AS content
    /* properties */
  FROM events
  WHERE dt BETWEEN ? AND ?
),
timed AS (
  -- SentAt is seconds or RFC 3339. Athena fails for a zone of more than 14 hours, TRY or not, so the zone is subtracted.
  -- Delivery cuts milliseconds and takes a leap second for the second before, and so does this.
  SELECT
    archived.*,
    CASE
      WHEN sentat IS NULL THEN to_unixtime(TRY(from_iso8601_timestamp(arrived)))
      WHEN regexp_like(sentat, '^[0-9]+([.][0-9]+|)([eE][+]{0,1}[0-9]{1,2}|)$') THEN try_cast(sentat AS double)
      WHEN NOT regexp_like(sentat, '([Zz]|[+-][0-9]{2}:[0-9]{2})$') THEN NULL
      ELSE to_unixtime(TRY(from_iso8601_timestamp(
          regexp_extract(sentat, '^[0-9]{4}-[0-9]{2}-[0-9]{2}', 0) || 'T'
          || regexp_replace(regexp_extract(sentat, '^.{11}([0-9]{2}:[0-9]{2}:[0-9]{2})', 1), ':60$', ':59')
          || coalesce(regexp_extract(sentat, '[.][0-9]{1,3}', 0), '') || 'Z'
        )))
        - coalesce(
          (CASE WHEN zone LIKE '-%' THEN -60 ELSE 60 END)
            * (60 * CAST(substr(zone, 2, 2) AS integer) + CAST(substr(zone, 5, 2) AS integer)),
          0
        )
    END AS happened
  FROM archived
),
numbered AS (
  -- The first row of an EventId counts. Rows without one are an event each.
  SELECT
    timed.*,
    eventid IS NOT NULL AND is_event
      AND row_number() OVER (PARTITION BY eventid, is_action, content ORDER BY arrived, happened) > 1 AS is_copy
  FROM timed
),
claimed AS (
  SELECT numbered.*, CASE WHEN is_event AND NOT is_copy THEN userid END AS claimant FROM numbered
),
owned AS (
  -- A visitor's events belong to the user who signed in before them in the session, else to the first one after them.
  -- Events of one request have one time of arrival where they have SentAt: then that is their order.
  SELECT
    claimed.*,
    CASE
      WHEN sessionid = '' THEN userid
      ELSE coalesce(
        userid,
        last_value(claimant) IGNORE NULLS OVER (
          PARTITION BY sessionid ORDER BY arrived, happened, eventid
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ),
        first_value(claimant) IGNORE NULLS OVER (
          PARTITION BY sessionid ORDER BY arrived, happened, eventid
          ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        )
      )
    END AS owner
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
      WHEN sessionid = '' THEN 'without a session'
      WHEN coalesce(owner, '') = '' THEN 'of sessions without a user'
      WHEN coalesce(eventtype, '') = '' THEN 'without an event type'
      WHEN length(itemid) > 256 OR length(owner) > 256 THEN 'with an id of more than 256 characters'
      WHEN regexp_like(itemid || owner || eventtype, '[\t\r\n]') THEN 'with a tab or a line end in an id'
      WHEN happened IS NULL OR happened NOT BETWEEN 0 AND 253402300799 THEN 'without a time'
    END AS left_out
  FROM owned
)
