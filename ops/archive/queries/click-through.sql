-- Which share of what was recommended was chosen.
-- A list is a RecommendationId; its day is that of its first event. Items count as shown when an event of the list has
-- them in Impression, and as chosen when an event of the list has them as itemId. A list of which no event was sent is
-- not here: send one when a list is shown, or the shares are too high.
-- parameter EVENT_TYPE = : the only type that chooses an item; empty for all
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH named AS (
  SELECT
    dt,
    recommendationid,
    coalesce(impression, CAST(ARRAY[] AS array(varchar))) AS shown,
    json_extract_scalar(event, '$.itemId') AS item,
    ? IN ('', eventtype) AS chooses
  FROM events
  WHERE dt BETWEEN ? AND ? AND recommendationid IS NOT NULL
),
pairs AS (
  SELECT
    named.recommendationid,
    pair.candidate,
    min(named.dt) AS day,
    bool_or(contains(named.shown, pair.candidate)) AS is_shown,
    bool_or(named.chooses AND named.item = pair.candidate) AS is_chosen
  FROM named CROSS JOIN UNNEST(named.shown || ARRAY[named.item]) AS pair (candidate)
  GROUP BY 1, 2
),
lists AS (
  SELECT
    recommendationid,
    min(day) AS day,
    count_if(is_shown) AS shown,
    count_if(is_shown AND is_chosen) AS chosen,
    count_if(is_chosen) > 0 AS has_choice
  FROM pairs
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
