"""The renderer: reads the config directory and says what each node should run.

Import from the modules: the command line needs the checks and not the service.
"""
