"""Data warehouses: Snowflake and Databricks."""
