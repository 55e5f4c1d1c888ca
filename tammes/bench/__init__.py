"""The paper's Table 1 and Figure 2, made again."""
