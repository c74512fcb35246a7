-- What an application writes itself when it counts usage in PostgreSQL: a table of events with a unique key, a table of prices,
-- and a rollup by the hour that is kept in the same transaction. One call an event, or one call a thousand.
CREATE TABLE prices (provider text, model text, input numeric, cached numeric, output numeric, PRIMARY KEY (provider, model));

CREATE TABLE events (
    key text PRIMARY KEY, at timestamptz NOT NULL, customer text NOT NULL, feature text NOT NULL, provider text NOT NULL,
    model text NOT NULL, input bigint NOT NULL, cached bigint NOT NULL, output bigint NOT NULL, cost numeric, revenue numeric NOT NULL);

CREATE TABLE rollup (
    hour timestamptz, customer text, feature text, provider text, model text, events bigint NOT NULL, cost numeric NOT NULL,
    revenue numeric NOT NULL, PRIMARY KEY (customer, hour, feature, model, provider));

CREATE FUNCTION record_event(
    k text, t timestamptz, cu text, f text, p text, m text, i bigint, ca bigint, o bigint, r numeric) RETURNS boolean AS $$
DECLARE
    c numeric;
BEGIN
    SELECT (i - ca) * input + ca * cached + o * output INTO c FROM prices WHERE provider = p AND model = m;
    INSERT INTO events VALUES (k, t, cu, f, p, m, i, ca, o, c, r) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO rollup AS old VALUES (date_trunc('hour', t), cu, f, p, m, 1, coalesce(c, 0), r)
        ON CONFLICT (customer, hour, feature, model, provider) DO UPDATE
        SET events = old.events + 1, cost = old.cost + excluded.cost, revenue = old.revenue + excluded.revenue;
    RETURN true;
END $$ LANGUAGE plpgsql;

-- Rows are taken in the order of their keys, so that two batches never wait for each other in a circle.
CREATE FUNCTION record_events(
    k text[], t timestamptz[], cu text[], f text[], p text[], m text[], i bigint[], ca bigint[], o bigint[], r numeric[])
RETURNS bigint AS $$
    WITH given AS (
        SELECT * FROM unnest(k, t, cu, f, p, m, i, ca, o, r)
            AS g (key, at, customer, feature, provider, model, input, cached, output, revenue)
    ), fresh AS (
        INSERT INTO events
        SELECT g.key, g.at, g.customer, g.feature, g.provider, g.model, g.input, g.cached, g.output,
               (g.input - g.cached) * s.input + g.cached * s.cached + g.output * s.output, g.revenue
        FROM given g LEFT JOIN prices s USING (provider, model) ORDER BY g.key
        ON CONFLICT DO NOTHING RETURNING *
    ), summed AS (
        INSERT INTO rollup AS old
        SELECT date_trunc('hour', at), customer, feature, provider, model, count(*), coalesce(sum(cost), 0), sum(revenue)
        FROM fresh GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 1, 3, 5, 4
        ON CONFLICT (customer, hour, feature, model, provider) DO UPDATE
        SET events = old.events + excluded.events, cost = old.cost + excluded.cost, revenue = old.revenue + excluded.revenue
        RETURNING 1
    )
    SELECT count(*) FROM fresh;
$$ LANGUAGE sql;
