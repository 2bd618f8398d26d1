-- What is stored of one person: the answer to an access request.
-- Rows with the person's UserId, and rows without any UserId in a session that has been the person's. Rows of another
-- user in the same session are not here. docs/archive.md says what else is stored and where.
-- parameter USER: the UserId
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH asked AS (
  SELECT ? AS person
),
seen AS (
  SELECT
    events.receivedat,
    events.sentat,
    events.userid,
    events.sessionid,
    events.eventtype,
    events.event,
    events.action,
    events.eventid,
    events.recommendationid,
    array_join(events.impression, '|') AS impression,
    events.eventattributionsource,
    events.experiment,
    events.dt,
    events."$path" AS object,
    asked.person,
    bool_or(events.userid = asked.person) OVER (PARTITION BY events.sessionid) AS is_in_session
  FROM events CROSS JOIN asked
  WHERE events.dt BETWEEN ? AND ?
)
SELECT
  receivedat, sentat, userid, sessionid, eventtype, event, action, eventid, recommendationid, impression,
  eventattributionsource, experiment, dt, object
FROM seen
WHERE userid = person OR (userid IS NULL AND sessionid IS NOT NULL AND is_in_session)
ORDER BY dt, receivedat, eventid
