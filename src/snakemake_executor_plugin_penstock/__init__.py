"""A package of this name is how Snakemake finds its executor ``penstock``; all of it lives in penstock.pipelines."""

from penstock.pipelines.snakemake_executor.executor import Executor, ExecutorSettings, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
