-- How many sessions went from one event type to the next.
-- A session has reached a step when it has an event of this type and of each type before it, in any order of time. A
-- step without a name is a type of STEPS that nobody sent.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter STEPS = : up to 25 event types in their order, with commas; empty for all types, most sessions first
-- parameter STEPS = : once more
-- parameter STEPS = : once more
WITH visits AS (
  SELECT DISTINCT sessionid, eventtype
  FROM events
  WHERE dt BETWEEN ? AND ? AND sessionid IS NOT NULL AND eventtype IS NOT NULL
),
types AS (
  SELECT eventtype AS event_type, count(*) AS sessions FROM visits GROUP BY 1
),
chosen AS (
  SELECT given.place
  FROM UNNEST(sequence(1, 25)) AS given (place)
  WHERE trim(coalesce(split_part(?, ',', given.place), '')) <> ''
),
named AS (
  SELECT given.place, types.event_type
  FROM types CROSS JOIN UNNEST(sequence(1, 25)) AS given (place)
  WHERE trim(split_part(?, ',', given.place)) = types.event_type
),
steps AS (
  SELECT row_number() OVER (ORDER BY chosen.place) AS step, named.event_type
  FROM chosen LEFT JOIN named ON named.place = chosen.place
  UNION ALL
  SELECT row_number() OVER (ORDER BY sessions DESC, event_type) AS step, event_type
  FROM types
  WHERE ? = ''
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
