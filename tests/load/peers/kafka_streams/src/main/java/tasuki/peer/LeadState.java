package tasuki.peer;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/**
 * What is remembered of a lead: sums per rule and day, and the digests of the messages received on the newest two days.
 * Compact in memory (few objects) and in bytes, because Kafka Streams decodes and encodes it for every event.
 */
final class LeadState {
    private long time = Long.MIN_VALUE;
    /** Booked pairs of rule and day, `entries` of them, in the order in which they came up. */
    private int entries;
    private int[] rules = new int[4];
    private int[] days = new int[4];
    private int[] times = new int[4];
    private long[] micros = new long[4];
    private long[] lasts = new long[4];
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

    /** Apply one event. A copy of a message that is remembered changes nothing. */
    LeadState book(Event event, Rules playbook) {
        if (!firstCopy(event)) {
            return this;
        }
        long at = event.timeMs();
        time = Math.max(time, at);
        for (Rules.Rule rule : playbook.named(event.name())) {
            if (rule.value().equals(event.properties().get(rule.property()))) {
                book(rule, Rules.dayOf(at), at);
            }
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

    private void book(Rules.Rule rule, int day, long at) {
        int index = entries - 1;  // the newest come last: most events find theirs at once
        while (index >= 0 && (days[index] != day || rules[index] != rule.number())) {
            index--;
        }
        if (index < 0) {
            index = entries++;
            if (entries > rules.length) {
                grow();
            }
            rules[index] = rule.number();
            days[index] = day;
        }
        times[index]++;
        micros[index] += rule.micro();
        lasts[index] = Math.max(lasts[index], at);
    }

    private void grow() {
        int size = rules.length * 2;
        rules = Arrays.copyOf(rules, size);
        days = Arrays.copyOf(days, size);
        times = Arrays.copyOf(times, size);
        micros = Arrays.copyOf(micros, size);
        lasts = Arrays.copyOf(lasts, size);
    }

    /** The score at the lead's newest event. */
    Score score(String lead, Rules playbook) {
        long total = 0;
        long[] points = new long[playbook.count()];
        long[] last = new long[playbook.count()];
        int[] count = new int[playbook.count()];
        for (int index = 0; index < entries; index++) {
            int rule = rules[index];
            long worth = faded(Math.min(micros[index], playbook.rule(rule).cap()), days[index], playbook);
            total += worth;
            points[rule] += worth;
            count[rule] += times[index];
            last[rule] = Math.max(last[rule], lasts[index]);
        }
        List<Score.Contribution> contributions = new ArrayList<>();
        for (int rule = 0; rule < points.length; rule++) {
            if (points[rule] != 0) {
                contributions.add(
                        new Score.Contribution(playbook.rule(rule).id(), points[rule], count[rule], last[rule]));
            }
        }
        return new Score(lead, time, total, contributions);
    }

    private long faded(long micro, int day, Rules playbook) {
        double seconds = (time - Rules.endOf(day)) / 1000.0;
        return seconds <= 0 ? micro : (long) Math.rint(micro * Math.pow(2.0, -seconds / playbook.halfLifeSeconds));
    }

    static Serde<LeadState> serde() {
        Serializer<LeadState> serializer = (topic, state) -> state == null ? null : state.encode();
        Deserializer<LeadState> deserializer = (topic, raw) -> raw == null ? null : decode(ByteBuffer.wrap(raw));
        return Serdes.serdeFrom(serializer, deserializer);
    }

    private byte[] encode() {
        ByteBuffer out = ByteBuffer.allocate(28 + entries * 28 + (newest.count + before.count) * 8);
        out.putLong(time).putInt(entries);
        for (int index = 0; index < entries; index++) {
            out.putInt(rules[index]).putInt(days[index]).putInt(times[index]);
            out.putLong(micros[index]).putLong(lasts[index]);
        }
        out.putLong(newestDay);
        for (Digests digests : List.of(newest, before)) {
            out.putInt(digests.count);
            for (int index = 0; index < digests.count; index++) {
                out.putLong(digests.values[index]);
            }
        }
        return out.array();
    }

    private static LeadState decode(ByteBuffer in) {
        LeadState state = new LeadState();
        state.time = in.getLong();
        state.entries = in.getInt();
        while (state.rules.length < state.entries) {
            state.grow();
        }
        for (int index = 0; index < state.entries; index++) {
            state.rules[index] = in.getInt();
            state.days[index] = in.getInt();
            state.times[index] = in.getInt();
            state.micros[index] = in.getLong();
            state.lasts[index] = in.getLong();
        }
        state.newestDay = in.getLong();
        for (Digests digests : List.of(state.newest, state.before)) {
            int count = in.getInt();
            digests.values = new long[Math.max(4, count)];
            for (; digests.count < count; digests.count++) {
                digests.values[digests.count] = in.getLong();
            }
        }
        return state;
    }
}
