"""The console script ``conche``."""

import os
from typing import Final

import click

from conche.local.home import find_home

from .lazy import Entry, LazyGroup, Section

SIM_CONTROL: Final = "CONCHE_SIM_CONTROL"
"""Variable that the simulator's commands read."""

SECTIONS: Final = (
    Section(
        "Operate",
        (
            Entry("status", "conche.cli.status:status", "Show what every node runs.", "cli"),
            Entry(
                "top", "conche.cli.top.main:top", "Show everything on one screen, with keys to act.", "cli"
            ),
            Entry("diff", "conche.cli.diff:diff", "Show how a node differs from its desired config.", "cli"),
            Entry("start", "conche.cli.commands:start", "Have nodes run.", "cli"),
            Entry("stop", "conche.cli.commands:stop", "Have nodes stop.", "cli"),
            Entry(
                "maintenance",
                "conche.cli.commands:maintenance",
                "Take nodes out of conche's hands, or give them back.",
                "cli",
            ),
            Entry("resync", "conche.cli.commands:resync", "Restart nodes with their desired config.", "cli"),
            Entry("set", "conche.cli.setting:set_", "Set values, such as gains, while nodes run.", "cli"),
            Entry("ping", "conche.cli.ping:ping", "Show which nodes answer, and how fast.", "cli"),
            Entry("events", "conche.cli.events:events", "Show what has happened.", "cli"),
            Entry("history", "conche.cli.past:history", "Show nodes' states over time.", "cli,metrics"),
            Entry("fpga", "conche.cli.fpga:fpga", "Show the FPGA master's health and frame 0.", "cli"),
            Entry("eop", "conche.cli.eop:eop", "Show the Earth-orientation table, or have it pushed."),
        ),
    ),
    Section(
        "Configs",
        (
            Entry("edit", "conche.cli.edit:edit", "Edit a config, and carry out what follows.", "cli"),
            Entry("log", "conche.cli.history:log", "List the changes of configs.", "cli"),
            Entry("show", "conche.cli.history:show_", "Show a change of configs.", "cli"),
            Entry("rollback", "conche.cli.history:rollback", "Bring configs back to what they were.", "cli"),
            Entry("plan", "conche.cli.directory:plan", "Show what a change would do.", "cli,renderer"),
            Entry(
                "apply", "conche.cli.directory:apply", "Put a config directory into force.", "cli,renderer"
            ),
            Entry(
                "check", "conche.cli.configs:check", "Say what is wrong in a config directory.", "renderer"
            ),
            Entry("render", "conche.cli.configs:render", "Render the configs of a directory.", "renderer"),
        ),
    ),
    Section(
        "Run",
        (
            Entry("up", "conche.local.commands:up", "Start everything on this machine.", "local"),
            Entry("down", "conche.local.commands:down", "End what up has started.", "local"),
            Entry("completion", "conche.cli.completion:completion", "Print a script for your shell."),
            Entry("notify-test", "conche.cli.notify:notify_test", "Try the notifier's channels.", "notifier"),
            Entry("users", "conche.cli.users:users", "Say who may do what at the broker.", "cli"),
            Entry("tokens", "conche.cli.tokens:tokens", "Make and revoke scripts' tokens.", "cli,gateway"),
            Entry("sim", "conche.sim.commands:sim", "Simulate a kotekan cluster, and trouble in it.", "sim"),
        ),
    ),
    Section(
        "Services",
        (
            Entry("renderer", "conche.cli.services:renderer", "Publish what every node should run."),
            Entry("poller", "conche.cli.services:poller", "Ask every node what it runs."),
            Entry("sync", "conche.cli.services:sync", "Bring every node to what it should run."),
            Entry("journal", "conche.cli.services:journal", "Remember what happens, and tell it."),
            Entry("fpga-service", "conche.cli.services:fpga", "Watch the FPGA master, and publish frame 0."),
            Entry("eop-service", "conche.cli.services:eop", "Keep Earth-orientation tables up to date."),
            Entry("metrics", "conche.cli.services:metrics", "Keep what happens in a time-series database."),
            Entry("notifier", "conche.cli.services:notifier", "Tell people what needs them."),
            Entry("gateway", "conche.cli.services:gateway", "Speak HTTP with scripts and pages."),
        ),
    ),
    Section(
        "Develop",
        (
            Entry(
                "contract",
                "conche.cli.contract:contract",
                "Generate the files that follow from the contract.",
            ),
            Entry(
                "dashboards",
                "conche.dashboards.commands:dashboards",
                "Generate Grafana's dashboards and alert rules.",
                "dashboards",
            ),
        ),
    ),
)
"""Every command; another one is one more line."""


@click.group(cls=LazyGroup, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="conche", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Hold the config of every kotekan instance of a radio telescope."""
    if ctx.invoked_subcommand == "sim":
        _find_simulator()


def _find_simulator() -> None:
    """Let the simulator's commands talk to the one of the running stack; it knows nothing of stacks itself."""
    stack = find_home().running_stack()
    if stack and stack.sim_control_port:
        os.environ.setdefault(SIM_CONTROL, str(stack.sim_control_port))
