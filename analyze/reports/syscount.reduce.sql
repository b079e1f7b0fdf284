-- Counts and times of the same call are added.
SELECT
    -- traces that have the call
    count(DISTINCT trace) AS traces,
    -- name of the system call
    syscall,
    -- calls that returned
    sum(count)::BIGINT AS count
{% if latency %}
    -- ns spent in them, together
    , sum(total_ns)::BIGINT AS total_ns
{% endif %}
FROM answers
GROUP BY syscall
ORDER BY {% if latency %}total_ns{% else %}count{% endif %} DESC, syscall
