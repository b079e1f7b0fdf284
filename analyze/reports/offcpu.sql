WITH away AS (
    SELECT
        sched.*,
{% if by == "stack" %}
        call.stack_id AS user_stack_id,
{% endif %}
        state NOT IN ('preempted', 'yielded') AS waits,
        -- what had not ended when the recording stopped lasted until then
        coalesce(duration_ns, {{ stop_ns }} - sched.ts_ns) AS off_ns
    FROM sched
{% if by == "stack" %}
    LEFT JOIN (SELECT tid, ts_ns, any_value(stack_id) AS stack_id FROM syscalls WHERE stack_id IS NOT NULL GROUP BY ALL) AS call
        ON call.tid = sched.tid AND call.ts_ns = sched.call_ns
{% endif %}
    WHERE sched.state != 'exited' AND {{ where }}
),
{% if by == "stack" %}
chosen AS (SELECT unnest([user_stack_id, kernel_stack_id]) AS stack_id FROM away),
{{ paths }},
{% endif %}
grouped AS (
    SELECT
        pid,
        {% if by == "thread" %}tid{% else %}NULL::INTEGER AS tid{% endif %},
        mode(comm) AS comm,
        {% if by in ("call", "stack") %}syscall{% else %}NULL::VARCHAR AS syscall{% endif %},
        {% if by == "stack" %}user_stack_id, kernel_stack_id{% else %}NULL::BIGINT AS user_stack_id, NULL::BIGINT AS kernel_stack_id{% endif %},
        count(*) AS times,
        sum(off_ns)::BIGINT AS total_ns,
        coalesce(sum(blocked_ns) FILTER (waits AND wait_ns IS NOT NULL), 0)::BIGINT AS blocked_ns,
        coalesce(sum(wait_ns), 0)::BIGINT AS wait_ns,
        quantile_disc(off_ns, 0.5) AS p50_ns,
        quantile_disc(off_ns, 0.99) AS p99_ns,
        max(off_ns) AS max_ns
    FROM away
    GROUP BY ALL
)
SELECT
    -- ns off the CPU, together
    total_ns,
    -- ns of these until threads were woken
    blocked_ns,
    -- ns of these in which threads could have run and waited for a CPU
    wait_ns,
    -- ns of these of which it is not known which they were, or which had not ended when the recording stopped
    total_ns - blocked_ns - wait_ns AS unknown_ns,
    -- how often
    times,
    -- median of one time, ns
    p50_ns,
    -- 99 % of them took no longer, ns
    p99_ns,
    -- the longest, ns
    max_ns,
    -- process id
    pid,
    -- thread id; NULL: threads are not told apart
    tid,
    -- name of the thread, the most frequent one of several
    comm,
    -- system call that they were in; NULL: in none that is recorded, or calls are not told apart
    syscall,
    -- functions of the user stack, innermost first; NULL: not recorded, or stacks are not told apart
    {% if by == "stack" %}u.frames{% else %}NULL::VARCHAR[]{% endif %} AS frames,
    -- functions of the kernel stack, innermost first; NULL: not recorded, or stacks are not told apart
    {% if by == "stack" %}k.frames{% else %}NULL::VARCHAR[]{% endif %} AS kernel_frames
FROM grouped
{% if by == "stack" %}
LEFT JOIN paths AS u ON u.stack_id = user_stack_id
LEFT JOIN paths AS k ON k.stack_id = kernel_stack_id
{% endif %}
ORDER BY total_ns DESC, pid, tid, syscall, user_stack_id, kernel_stack_id
{% if top %}
LIMIT {{ top }}
{% endif %}
