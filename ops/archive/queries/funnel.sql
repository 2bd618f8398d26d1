-- How many sessions went from one event type to the next.
-- A session has reached a step when it has an event of this type and of each type before it, in any order of time.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter STEPS = : event types in their order, with commas between them; empty for all types, most sessions first
WITH visits AS (
  SELECT DISTINCT sessionid, eventtype
  FROM events
  WHERE dt BETWEEN ? AND ? AND sessionid IS NOT NULL AND eventtype IS NOT NULL
),
chosen AS (
  SELECT ? AS names
),
steps AS (
  SELECT trim(given.name) AS event_type, given.position AS step
  FROM chosen CROSS JOIN UNNEST(split(chosen.names, ',')) WITH ORDINALITY AS given (name, position)
  WHERE chosen.names <> ''
  UNION ALL
  SELECT event_type, row_number() OVER (ORDER BY sessions DESC, event_type) AS step
  FROM (SELECT eventtype AS event_type, count(*) AS sessions FROM visits GROUP BY 1) AS types CROSS JOIN chosen
  WHERE chosen.names = ''
),
visited AS (
  -- The third visited step is step 3 only in a session that has visited 1 and 2.
  SELECT
    steps.step,
    row_number() OVER (PARTITION BY visits.sessionid ORDER BY steps.step) = steps.step AS is_reached
  FROM visits JOIN steps ON steps.event_type = visits.eventtype
),
counted AS (
  SELECT step, count(*) AS sessions, count_if(is_reached) AS reached FROM visited GROUP BY 1
)
SELECT
  steps.step,
  steps.event_type,
  coalesce(counted.sessions, 0) AS sessions,
  coalesce(counted.reached, 0) AS reached,
  round(coalesce(counted.reached, 0) * 1e0
    / nullif(lag(counted.reached) OVER (ORDER BY steps.step), 0), 4) AS share_of_step_before,
  round(coalesce(counted.reached, 0) * 1e0
    / nullif(first_value(counted.reached) OVER (ORDER BY steps.step), 0), 4) AS share_of_first_step
FROM steps LEFT JOIN counted ON counted.step = steps.step
ORDER BY 1
