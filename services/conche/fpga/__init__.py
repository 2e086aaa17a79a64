"""The fpga service: watches the FPGA master's health and timing; owns frame0."""
