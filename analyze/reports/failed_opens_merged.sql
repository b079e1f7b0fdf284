-- what groups of failed opens have in common when they become one
min(path) AS path,
bool_or(is_resolved) AS is_resolved,
min(uid) AS uid,
max(last_uid) AS last_uid,
min(first_ns) AS first_ns,
max(last_ns) AS last_ns
{% if stack %}
, flatten(list(stack_ids)) AS stack_ids
{% endif %}
