"""``python -m sea_handlers``: serves on 127.0.0.1:7001, or where ``LISTEN`` says."""

from sea_mq.serve import serve


def main() -> None:
    """Serves until SIGTERM."""
    serve("sea_handlers.shell.app:app", 7001)


if __name__ == "__main__":
    main()
