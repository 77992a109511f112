from tests.sync.conftest import connect, hrms, scripted  # noqa: F401
