-- What was spent where. `tierbreak` is the function that duckdb_query.py gives the connection.
SELECT
    coalesce(decision.brand_name, '(' || decision.reason || ')') AS brand,
    count(*) AS payments,
    -sum(amount) AS spent
FROM (SELECT tierbreak(descriptor) AS decision, amount FROM statement)
WHERE amount < 0
GROUP BY ALL
ORDER BY spent DESC, brand
