-- Which share of what was recommended was chosen.
-- A list is a RecommendationId; its day is that of its first event. Items count as shown when an event of the list has
-- them in Impression, and as chosen when an event of the list has them as itemId. A list of which no event was sent is
-- not here: send one when a list is shown, or the shares are too high. The days are read twice.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter FROM: once more
-- parameter TO: once more
-- parameter EVENT_TYPE = : the only type that chooses an item; empty for all
WITH pairs AS (
  SELECT events.recommendationid, events.dt, list.item, list.item IS NOT NULL AS is_shown, false AS is_chosen
  FROM events LEFT JOIN UNNEST(events.impression) AS list (item) ON true
  WHERE events.dt BETWEEN ? AND ? AND events.recommendationid IS NOT NULL
  UNION ALL
  SELECT recommendationid, dt, json_extract_scalar(event, '$.itemId') AS item, false AS is_shown, true AS is_chosen
  FROM events
  WHERE dt BETWEEN ? AND ? AND recommendationid IS NOT NULL AND ? IN ('', eventtype)
),
items AS (
  SELECT recommendationid, item, min(dt) AS day, bool_or(is_shown) AS is_shown, bool_or(is_chosen) AS is_chosen
  FROM pairs
  GROUP BY 1, 2
),
lists AS (
  SELECT
    recommendationid,
    min(day) AS day,
    count_if(is_shown) AS shown,
    count_if(is_shown AND is_chosen) AS chosen,
    count_if(is_chosen AND item IS NOT NULL) > 0 AS has_choice
  FROM items
  GROUP BY 1
)
SELECT
  day,
  count(*) AS lists,
  count_if(has_choice) AS lists_with_choice,
  round(count_if(has_choice) * 1e0 / count(*), 4) AS share_of_lists,
  sum(shown) AS items_shown,
  sum(chosen) AS items_chosen,
  round(sum(chosen) * 1e0 / nullif(sum(shown), 0), 4) AS share_of_items
FROM lists
GROUP BY 1
ORDER BY 1
