package tasuki.peer;

import static org.apache.kafka.common.utils.ByteUtils.readVarint;
import static org.apache.kafka.common.utils.ByteUtils.writeVarint;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/**
 * What is remembered of a lead: what its events come to, and the digests of the messages received on the newest two
 * days. Compact in memory (few objects) and in bytes, because Kafka Streams decodes and encodes it for every event.
 */
final class LeadState {
    final Gathered gathered;
    /** Digests by day of reception: of the newest day, and of the day before. */
    private long newestDay = Long.MIN_VALUE;
    private Digests newest = new Digests();
    private Digests before = new Digests();

    private static final class Digests {
        int count;
        long[] values = new long[4];

        boolean contains(long digest) {
            for (int index = 0; index < count; index++) {
                if (values[index] == digest) {
                    return true;
                }
            }
            return false;
        }

        void add(long digest) {
            if (count == values.length) {
                values = Arrays.copyOf(values, count * 2);
            }
            values[count++] = digest;
        }
    }

    LeadState(Rules rules) {
        this(new Gathered(rules));
    }

    private LeadState(Gathered gathered) {
        this.gathered = gathered;
    }

    /** Apply one event. A copy of a message that is remembered changes nothing. */
    LeadState book(Event event) {
        if (firstCopy(event)) {
            gathered.book(event);
        }
        return this;
    }

    private boolean firstCopy(Event event) {
        long day = event.receivedDay();
        if (day > newestDay) {
            before = day == newestDay + 1 ? newest : new Digests();
            newest = new Digests();
            newestDay = day;
        }
        long digest = event.digest();
        if (newest.contains(digest) || before.contains(digest)) {
            return false;
        }
        if (day == newestDay) {
            newest.add(digest);
        } else if (day == newestDay - 1) {
            before.add(digest);
        }
        return true;
    }

    static Serde<LeadState> serde(Rules rules) {
        Serializer<LeadState> serializer = (topic, state) -> state == null ? null : state.encode();
        Deserializer<LeadState> deserializer =
                (topic, raw) -> raw == null ? null : decode(ByteBuffer.wrap(raw), rules);
        return Serdes.serdeFrom(serializer, deserializer);
    }

    private byte[] encode() {
        ByteBuffer out = ByteBuffer.allocate(gathered.mostBytes() + 20 + (newest.count + before.count) * 8);
        gathered.encode(out);
        out.putLong(newestDay);
        for (Digests digests : List.of(newest, before)) {
            writeVarint(digests.count, out);
            for (int index = 0; index < digests.count; index++) {
                out.putLong(digests.values[index]);
            }
        }
        return Arrays.copyOf(out.array(), out.position());
    }

    private static LeadState decode(ByteBuffer in, Rules rules) {
        LeadState state = new LeadState(Gathered.decode(in, rules));
        state.newestDay = in.getLong();
        for (Digests digests : List.of(state.newest, state.before)) {
            int count = readVarint(in);
            digests.values = new long[Math.max(4, count + 1)];
            for (; digests.count < count; digests.count++) {
                digests.values[digests.count] = in.getLong();
            }
        }
        return state;
    }
}
