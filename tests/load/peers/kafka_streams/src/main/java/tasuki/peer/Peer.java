package tasuki.peer;

import java.io.File;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
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
        String betweenTopic = given.get("between");
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Message> events =
                builder.stream(given.get("events"), Consumed.with(Serdes.String(), Message.events()));
        KStream<String, Message> between =
                builder.stream(betweenTopic, Consumed.with(Serdes.String(), Message.between()));
        Produced<String, Message> told = Produced.with(Serdes.String(), Message.between());
        events.filter((lead, message) -> message instanceof Event event && event.isLink())
                .map((lead, message) ->
                        KeyValue.<String, Message>pair(((Event) message).visitor(), new Message.Link(lead)))
                .to(betweenTopic, told);
        // With the cache on, a store hands on the newest state of each lead at every commit, not one for each event:
        // the score is evaluated, written to the changelog and published once per touched lead and commit, and so is
        // what a visitor who is known tells its user.
        KStream<String, LeadState> leads = events.merge(between)
                .groupByKey()
                .aggregate(
                        () -> new LeadState(rules),
                        (lead, message, state) -> state.apply(message),
                        Materialized.<String, LeadState, KeyValueStore<Bytes, byte[]>>as("leads")
                                .withKeySerde(Serdes.String())
                                .withValueSerde(LeadState.serde(rules))
                                .withCachingEnabled())
                .toStream()
                .filter((lead, state) -> state.isActive());
        leads.mapValues((lead, state) -> Score.of(lead, state, rules).encode())
                .to(given.get("scores"), Produced.with(Serdes.String(), Serdes.ByteArray()));
        leads.filter((visitor, state) -> !state.user.isEmpty())
                .map((visitor, state) ->
                        KeyValue.<String, Message>pair(state.user, new Message.Told(visitor, state.gathered.encode())))
                .to(betweenTopic, told);
        return builder.build();
    }

    private static Properties configuration(Map<String, String> given) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("group"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("bootstrap"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, given.get("state-dir"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, given.get("guarantee"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Integer.parseInt(given.getOrDefault("commit-ms", "100")));
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        // The result does not depend on which of the two topics is ahead: it need not wait for one of them.
        settings.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, -1L);
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
