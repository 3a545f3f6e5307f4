"""The sandbox in which programs that a model wrote are run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from askd.config.base import Strict


class SandboxLimits(Strict):
    """What one program may use. New processes are never allowed, in any tier."""

    wall_seconds: PositiveFloat = Field(
        default=10.0,
        description="Wall clock, of program and tests together. At least 3 times `cpu_seconds` "
        "where other work shares the cores.",
    )
    cpu_seconds: PositiveInt = Field(default=3, description="CPU time of one process.")
    memory_mib: PositiveInt = Field(default=1024, description="Address space of one process.")
    output_kib: PositiveInt = Field(
        default=64, description="Output that is kept; a script that prints more fails."
    )
    open_files: PositiveInt = Field(default=64, description="Open files of one process.")
    file_mib: PositiveInt = Field(default=16, description="Size of one file.")
    scratch_mib: PositiveInt = Field(default=64, description="Size of the scratch folder.")
    scratch_files: PositiveInt = Field(default=4096, description="Files in the scratch folder.")
    threads: PositiveInt = Field(default=64, description="Threads of one process.")


class SandboxSettings(Strict):
    """Isolation of programs that a model wrote."""

    lowest_tier: Literal["namespaces", "landlock"] = Field(
        default="namespaces",
        description="The weakest isolation that may be used: `namespaces` (bubblewrap, nested "
        "namespaces, seccomp, Landlock) or `landlock` (Landlock and seccomp only).",
    )
    workers: PositiveInt = Field(default=1, description="Programs that run at the same time.")
    limits: SandboxLimits = Field(default=SandboxLimits(), description="Limits of one program.")
