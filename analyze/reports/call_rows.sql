{% for name in names %}
SELECT event_id, call_text FROM sys.{{ ident(name) }} WHERE event_id IN (SELECT event_id FROM chosen){% if span %} AND {{ span }}{% endif +%}
UNION ALL
{% endfor %}
SELECT NULL::BIGINT AS event_id, NULL::VARCHAR AS call_text WHERE FALSE
