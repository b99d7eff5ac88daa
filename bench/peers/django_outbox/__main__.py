"""`python -m bench.peers.django_outbox --database-url U --stomp-port P --messages 5000`: messages relayed per second.

It runs one iteration of the loop of `manage.py publish` over all rows. The rows exist before the clock starts;
publishing ends with the commit that marks all of them as sent. Prints seconds and messages as JSON.
"""

import argparse
import json
import os
import time


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.django_outbox")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--stomp-port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--queue", default="bench")
    options = parser.parse_args()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "bench.peers.django_outbox.settings",
        "DATABASE_URL": options.database_url,
        "STOMP_PORT": str(options.stomp_port),
    }
    # Imported late, because both read the environment on import.
    import django

    django.setup()
    from django.core.management import call_command
    from django_outbox_pattern.choices import StatusChoice  # type: ignore[import-untyped]
    from django_outbox_pattern.factories import factory_producer  # type: ignore[import-untyped]
    from django_outbox_pattern.models import Published  # type: ignore[import-untyped]

    call_command("migrate", verbosity=0)
    place = f"/queue/{options.queue}"

    def fill(count: int) -> None:
        Published.objects.bulk_create(
            [Published(destination=place, body={"orderId": str(number)}) for number in range(count)], batch_size=1000
        )

    producer = factory_producer()
    fill(100)
    producer.publish_message_from_database()  # a warm-up: connections, imports, first plans
    fill(options.messages)
    began = time.perf_counter()
    producer.publish_message_from_database()
    took = time.perf_counter() - began
    sent = Published.objects.filter(status=StatusChoice.SUCCEEDED).count() - 100
    print(json.dumps({"seconds": took, "messages": sent}))


if __name__ == "__main__":
    main()
