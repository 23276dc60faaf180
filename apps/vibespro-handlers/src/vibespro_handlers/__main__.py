"""``python -m vibespro_handlers``: serves on 127.0.0.1:7002, or where ``LISTEN`` says."""

from sea_mq.serve import serve


def main() -> None:
    """Serves until SIGTERM."""
    serve("vibespro_handlers.shell.app:app", 7002)


if __name__ == "__main__":
    main()
