"""Two traces side by side, for "it works here and fails there".

``aspects.sql`` counts what each of them has, and ``difference.sql`` keeps what differs.
"""
