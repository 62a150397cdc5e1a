"""What is summed, and for whom besides the owner. Apart from the tables, so that a sync need not import them."""

EVERYBODY = 0  # the owner of rows that sum over all owners
SUMS = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "web_searches",
    "cost_nanousd",
    "unpriced_calls",
)
