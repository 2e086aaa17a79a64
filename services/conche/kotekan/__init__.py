"""kotekan: its REST API, the ways it fails, and the arithmetic of its configs.

Import from the modules: the renderer needs the arithmetic and not the HTTP parser.
"""
