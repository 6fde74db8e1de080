"""database s.db-wal: raw"""

import sqlite3

from tests.canary import CANARY


def test(tmp_path):
    database = sqlite3.connect(tmp_path / "s.db")
    database.execute("pragma journal_mode=wal")
    database.execute("pragma secure_delete=on")
    database.execute("create table t (v)")
    database.execute("insert into t values (?)", [CANARY])
    database.commit()
    database.execute("delete from t")
    database.commit()
    database.close()
