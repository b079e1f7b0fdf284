SELECT approx_quantile(ts_ns, list_value{{ shares }}) FROM syscalls WHERE {{ where }}
