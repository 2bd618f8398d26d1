-- What is stored of one person: for an access request.
-- Rows with the person's UserId. And rows without any UserId in a session in which the person was the last one who had
-- signed in, or the first one who did later: the rule of 'make export'. Rows of another user in the same session are not
-- here. docs/archive.md says what else is stored and where. The days are read twice.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter FROM: once more
-- parameter TO: once more
-- parameter USER: the UserId
-- parameter USER: once more
WITH seen AS (
  SELECT
    receivedat,
    sentat,
    userid,
    sessionid,
    eventtype,
    event,
    action,
    eventid,
    recommendationid,
    array_join(impression, '|') AS impression,
    eventattributionsource,
    experiment,
    dt,
    "$path" AS object
  FROM events
  WHERE dt BETWEEN ? AND ?
    AND (
      coalesce(sessionid, '') = ''
      OR sessionid IN (SELECT sessionid FROM events WHERE dt BETWEEN ? AND ? AND userid = ? AND sessionid IS NOT NULL)
    )
),
owned AS (
  SELECT
    seen.*,
    coalesce(
      userid,
      CASE WHEN coalesce(sessionid, '') <> '' THEN coalesce(
        last_value(userid) IGNORE NULLS OVER (
          PARTITION BY sessionid ORDER BY receivedat, sentat, eventid
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ),
        first_value(userid) IGNORE NULLS OVER (
          PARTITION BY sessionid ORDER BY receivedat, sentat, eventid
          ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        )
      ) END
    ) AS owner
  FROM seen
)
SELECT
  receivedat, sentat, userid, sessionid, eventtype, event, action, eventid, recommendationid, impression,
  eventattributionsource, experiment, dt, object
FROM owned
WHERE owner = ?
ORDER BY dt, receivedat, sentat, eventid
