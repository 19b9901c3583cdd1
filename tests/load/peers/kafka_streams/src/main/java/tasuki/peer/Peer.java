package tasuki.peer;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/** The job in Kafka Streams: an aggregate per lead in RocksDB, its scores published at every commit. */
public final class Peer {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> given = options(arguments);
        KafkaStreams streams = new KafkaStreams(topology(given), configuration(given));
        CountDownLatch ended = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            ended.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        ended.await();
        System.exit(1);
    }

    private static Topology topology(Map<String, String> given) throws IOException {
        Rules rules = new Rules(new File(given.get("playbook")));
        Deserializer<Event> events = (topic, json) -> {
            try {
                return Event.decode(json);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        StreamsBuilder builder = new StreamsBuilder();
        // With the cache on, a store hands on the newest state of each lead at every commit, not one for each event:
        // the score is evaluated, written to the changelog and published once per touched lead and commit.
        builder.stream(
                        given.get("events"),
                        Consumed.with(Serdes.String(), Serdes.serdeFrom((topic, event) -> null, events)))
                .groupByKey()
                .aggregate(
                        () -> new LeadState(rules),
                        (lead, event, state) -> state.book(event),
                        Materialized.<String, LeadState, KeyValueStore<Bytes, byte[]>>as("leads")
                                .withKeySerde(Serdes.String())
                                .withValueSerde(LeadState.serde(rules))
                                .withCachingEnabled())
                .toStream()
                .mapValues((lead, state) -> Score.of(lead, state.gathered, rules).encode())
                .to(given.get("scores"), Produced.with(Serdes.String(), Serdes.ByteArray()));
        return builder.build();
    }

    private static Properties configuration(Map<String, String> given) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("group"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("bootstrap"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, given.get("state-dir"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, given.get("guarantee"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        // All leads touched between two commits fit: none is written out early.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 128L * 1024 * 1024);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        settings.put(StreamsConfig.consumerPrefix("max.poll.records"), 4000);
        settings.put(StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), 4 * 1024 * 1024);
        settings.put(StreamsConfig.producerPrefix("batch.size"), 512 * 1024);
        return settings;
    }

    /** `--name value` pairs. */
    private static Map<String, String> options(String[] arguments) {
        Map<String, String> given = new HashMap<>();
        for (int index = 0; index + 1 < arguments.length; index += 2) {
            given.put(arguments[index].substring(2), arguments[index + 1]);
        }
        return given;
    }
}
