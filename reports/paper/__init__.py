"""The paper's own tables and figures, as this run can show them."""
