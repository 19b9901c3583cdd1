package tasuki.peer;

import static org.apache.kafka.common.utils.ByteUtils.readVarint;
import static org.apache.kafka.common.utils.ByteUtils.readVarlong;
import static org.apache.kafka.common.utils.ByteUtils.writeVarint;
import static org.apache.kafka.common.utils.ByteUtils.writeVarlong;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;

/**
 * What follows from a set of events, whatever their order: points per day and rule before any cap, how often and when
 * last each rule was met, when last an action of each level was done, the newest value of each field.
 */
final class Gathered {
    static final long NEVER = Long.MIN_VALUE;

    /** Of several values the newest counts, by time and then id. */
    record Field(Object value, long time, String id) {}

    private final Rules rules;
    long time = NEVER;
    /** `cells` pairs of day and rule, in this order: `day * number of rules + rule`; and what was earned by them. */
    int cells;
    private int[] places = new int[8];
    private long[] micros = new long[8];
    final int[] times;
    final long[] lasts;
    final long[] levels;
    final Field[] fields;

    Gathered(Rules rules) {
        this.rules = rules;
        times = new int[rules.all.size()];
        lasts = new long[rules.all.size()];
        levels = new long[rules.highestLevel];
        fields = new Field[rules.fieldPaths.size()];
    }

    void book(Event event) {
        long at = event.timeMs();
        time = Math.max(time, at);
        for (Rules.Match<Rules.Rule> match : rules.rulesNamed(event.name())) {
            if (match.holds(event.properties())) {
                int rule = match.entry().number();
                add(Rules.dayOf(at) * times.length + rule, match.entry().worth(event.properties()));
                times[rule]++;
                lasts[rule] = Math.max(lasts[rule], at);
            }
        }
        for (Rules.Match<Integer> match : rules.levelsNamed(event.name())) {
            if (match.holds(event.properties())) {
                int index = match.entry() - 1;
                levels[index] = Math.max(levels[index], at);
            }
        }
        if (event.traits() != null) {
            for (int field = 0; field < fields.length; field++) {
                Object value = at(event.traits(), rules.fieldPaths.get(field));
                if (value != null) {
                    tell(field, new Field(value, at, event.id()));
                }
            }
        }
    }

    /** What a visitor has gathered by now, in place of what it had gathered `before`, which is in here already. */
    void replace(Gathered before, Gathered now) {
        time = Math.max(time, now.time);
        for (int cell = 0, old = 0; cell < now.cells; cell++) {
            while (old < before.cells && before.places[old] < now.places[cell]) {
                old++;
            }
            boolean isKnown = old < before.cells && before.places[old] == now.places[cell];
            long more = now.micros[cell] - (isKnown ? before.micros[old] : 0);
            if (more != 0) {
                add(now.places[cell], more);
            }
        }
        for (int rule = 0; rule < times.length; rule++) {
            times[rule] += now.times[rule] - before.times[rule];
            lasts[rule] = Math.max(lasts[rule], now.lasts[rule]);
        }
        for (int level = 0; level < levels.length; level++) {
            levels[level] = Math.max(levels[level], now.levels[level]);
        }
        for (int field = 0; field < fields.length; field++) {
            if (now.fields[field] != null) {
                tell(field, now.fields[field]);
            }
        }
    }

    int day(int cell) {
        return places[cell] / times.length;
    }

    int rule(int cell) {
        return places[cell] % times.length;
    }

    long micro(int cell) {
        return micros[cell];
    }

    private void add(int place, long micro) {
        int cell = cells - 1;  // most events are of the newest day
        while (cell >= 0 && places[cell] > place) {
            cell--;
        }
        if (cell < 0 || places[cell] != place) {
            cell++;
            if (cells == places.length) {
                places = Arrays.copyOf(places, cells * 2);
                micros = Arrays.copyOf(micros, cells * 2);
            }
            System.arraycopy(places, cell, places, cell + 1, cells - cell);
            System.arraycopy(micros, cell, micros, cell + 1, cells - cell);
            places[cell] = place;
            micros[cell] = 0;
            cells++;
        }
        micros[cell] += micro;
    }

    private void tell(int field, Field told) {
        Field known = fields[field];
        if (known == null
                || told.time() > known.time()
                || (told.time() == known.time() && told.id().compareTo(known.id()) > 0)) {
            fields[field] = told;
        }
    }

    private static Object at(Map<String, Object> values, String[] path) {
        Object found = values;
        for (String step : path) {
            found = found instanceof Map<?, ?> inner ? inner.get(step) : null;
        }
        return found;
    }

    /** As many bytes as `encode` writes at most. */
    int mostBytes() {
        int texts = 0;
        for (Field field : fields) {
            texts += field == null ? 1 : 40 + 3 * (field.id().length() + field.value().toString().length());
        }
        return 20 + cells * 15 + times.length * 15 + levels.length * 10 + texts;
    }

    byte[] encode() {
        ByteBuffer out = ByteBuffer.allocate(mostBytes());
        encode(out);
        return Arrays.copyOf(out.array(), out.position());
    }

    void encode(ByteBuffer out) {
        out.putLong(time);
        writeVarint(cells, out);
        for (int cell = 0, last = 0; cell < cells; last = places[cell++]) {
            writeVarint(places[cell] - last, out);
            writeVarlong(micros[cell], out);
        }
        for (int rule = 0; rule < times.length; rule++) {
            writeVarint(times[rule], out);
            if (times[rule] > 0) {
                writeVarlong(lasts[rule], out);
            }
        }
        for (long last : levels) {
            writeVarlong(last, out);
        }
        for (Field field : fields) {
            if (field == null) {
                out.put((byte) 0);
                continue;
            }
            boolean isNumber = field.value() instanceof Number;
            out.put((byte) (isNumber ? 1 : 2));
            if (isNumber) {
                out.putDouble(((Number) field.value()).doubleValue());
            } else {
                putText(field.value().toString(), out);
            }
            writeVarlong(field.time(), out);
            putText(field.id(), out);
        }
    }

    static Gathered decode(ByteBuffer in, Rules rules) {
        Gathered found = new Gathered(rules);
        found.time = in.getLong();
        found.cells = readVarint(in);
        found.places = new int[Math.max(8, found.cells + 1)];
        found.micros = new long[found.places.length];
        for (int cell = 0, last = 0; cell < found.cells; cell++) {
            last = found.places[cell] = last + readVarint(in);
            found.micros[cell] = readVarlong(in);
        }
        for (int rule = 0; rule < found.times.length; rule++) {
            found.times[rule] = readVarint(in);
            if (found.times[rule] > 0) {
                found.lasts[rule] = readVarlong(in);
            }
        }
        for (int level = 0; level < found.levels.length; level++) {
            found.levels[level] = readVarlong(in);
        }
        for (int field = 0; field < found.fields.length; field++) {
            byte kind = in.get();
            if (kind != 0) {
                Object value = kind == 1 ? (Object) in.getDouble() : text(in);
                found.fields[field] = new Field(value, readVarlong(in), text(in));
            }
        }
        return found;
    }

    static void putText(String text, ByteBuffer out) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        writeVarint(bytes.length, out);
        out.put(bytes);
    }

    static String text(ByteBuffer in) {
        byte[] bytes = new byte[readVarint(in)];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
