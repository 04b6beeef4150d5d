"""Writes scikit-learn's breast-cancer table to /data/breast_cancer.csv: 569 rows, 30 measures, target 0 or 1."""
from sklearn.datasets import load_breast_cancer

table = load_breast_cancer(as_frame=True).frame
table.to_csv("/data/breast_cancer.csv", index=False)
print(f"wrote {len(table)} rows, {len(table.columns)} columns")
