"""Where events wait that Kafka does not take now: a log on the local disk, synced before the sender is answered.

<directory>/<slot>/00000000000000000007.spool       entries, in the order in which they came
<directory>/<slot>/00000000000000000007.position    how far it has been sent to Kafka
"""
