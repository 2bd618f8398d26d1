-- What the archive has of one event: a row for each time that it was sent or stored.
-- More than one row: the client sent it again (another ReceivedAt), a redrive put it back or a retry stored it again
-- (the same ReceivedAt), or another event had the same EventId. Personalize trains on the first one only.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter EVENT: the EventId
-- parameter LIMIT = 20: how many rows
WITH found AS (
  SELECT
    row_number() OVER (ORDER BY receivedat, "$path") AS place,
    receivedat, sentat, userid, sessionid, eventtype, event, action, dt,
    "$path" AS object,
    count(*) OVER () AS all_rows
  FROM events
  WHERE dt BETWEEN ? AND ? AND eventid = ?
)
SELECT receivedat, sentat, userid, sessionid, eventtype, event, action, dt, object, all_rows
FROM found
WHERE place <= ?
ORDER BY place
