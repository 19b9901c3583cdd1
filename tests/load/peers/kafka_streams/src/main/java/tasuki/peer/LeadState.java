package tasuki.peer;

import static org.apache.kafka.common.utils.ByteUtils.readVarint;
import static org.apache.kafka.common.utils.ByteUtils.writeVarint;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/**
 * What is remembered of a lead: what its events come to, the digests of the messages received on the newest two days,
 * and who is the same person. Compact in memory (few objects) and in bytes, because Kafka Streams decodes and encodes it for every event.
 */
final class LeadState {
    private final Rules rules;
    /** With what visitors have brought. */
    final Gathered gathered;
    /** Of a visitor who is known; otherwise empty. */
    String user = "";
    /** What each visitor has brought so far, encoded: it is looked at only when the visitor brings more. */
    private final Map<String, byte[]> parts = new HashMap<>(0);
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
        this(rules, new Gathered(rules));
    }

    private LeadState(Rules rules, Gathered gathered) {
        this.rules = rules;
        this.gathered = gathered;
    }

    /** Whether there is anything to tell of it. Of some visitors no more is known than who they are. */
    boolean isActive() {
        return gathered.time != Gathered.NEVER;
    }

    /** A copy of a message that is remembered changes nothing, and so does what is told again. */
    LeadState apply(Message message) {
        if (message instanceof Event event) {
            if (firstCopy(event)) {
                gathered.book(event);
            }
        } else if (message instanceof Message.Told told) {
            byte[] known = parts.put(told.visitor(), told.gathered());
            Gathered before = known == null ? new Gathered(rules) : Gathered.decode(ByteBuffer.wrap(known), rules);
            gathered.replace(before, Gathered.decode(ByteBuffer.wrap(told.gathered()), rules));
        } else if (message instanceof Message.Link link && user.isEmpty()) {
            user = link.user();
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
        int more = 40 + (newest.count + before.count) * 8 + 3 * user.length();
        for (Map.Entry<String, byte[]> part : parts.entrySet()) {
            more += 10 + 3 * part.getKey().length() + part.getValue().length;
        }
        ByteBuffer out = ByteBuffer.allocate(gathered.mostBytes() + more);
        gathered.encode(out);
        out.putLong(newestDay);
        for (Digests digests : List.of(newest, before)) {
            writeVarint(digests.count, out);
            for (int index = 0; index < digests.count; index++) {
                out.putLong(digests.values[index]);
            }
        }
        Gathered.putText(user, out);
        writeVarint(parts.size(), out);
        for (Map.Entry<String, byte[]> part : parts.entrySet()) {
            Gathered.putText(part.getKey(), out);
            writeVarint(part.getValue().length, out);
            out.put(part.getValue());
        }
        return Arrays.copyOf(out.array(), out.position());
    }

    private static LeadState decode(ByteBuffer in, Rules rules) {
        LeadState state = new LeadState(rules, Gathered.decode(in, rules));
        state.newestDay = in.getLong();
        for (Digests digests : List.of(state.newest, state.before)) {
            int count = readVarint(in);
            digests.values = new long[Math.max(4, count + 1)];
            for (; digests.count < count; digests.count++) {
                digests.values[digests.count] = in.getLong();
            }
        }
        state.user = Gathered.text(in);
        for (int count = readVarint(in); count > 0; count--) {
            String visitor = Gathered.text(in);
            byte[] part = new byte[readVarint(in)];
            in.get(part);
            state.parts.put(visitor, part);
        }
        return state;
    }
}
