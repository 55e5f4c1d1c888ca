"""The paper's Table 1 and Figure 2, computed again: `table1`, `report` and `figure2`."""
