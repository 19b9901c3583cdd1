package tasuki.peer;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.util.ArrayList;
import java.util.List;

/**
 * What is published of a lead: total and level at `time`, and what each rule adds to it, in micro-points. Or, of a
 * visitor who is known, who that is.
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Score(String lead, long time, long total, int level, List<Contribution> contributions, @JsonProperty("merged_into") String mergedInto) {
    record Contribution(String rule, long points, int times, long last) {}

    private static final ObjectWriter WRITER = new ObjectMapper().writerFor(Score.class);

    byte[] encode() {
        try {
            return WRITER.writeValueAsBytes(this);
        } catch (JsonProcessingException error) {
            throw new IllegalStateException(error);
        }
    }

    static Score of(String lead, LeadState state, Rules rules) {
        return state.user.isEmpty()
                ? atNewestEvent(lead, state.gathered, rules)
                : new Score(lead, state.gathered.time, 0, 0, null, state.user);
    }

    private static Score atNewestEvent(String lead, Gathered gathered, Rules rules) {
        List<Contribution> contributions = new ArrayList<>();
        long total = 0;
        for (Rules.AttributeRule rule : rules.attribute) {
            Gathered.Field field = gathered.fields[rule.field()];
            if (field != null && rule.holds(field.value())) {
                total += rule.micro();
                contributions.add(new Contribution(rule.id(), rule.micro(), 1, field.time()));
            }
        }
        long[] points = points(gathered, rules);
        for (int rule = 0; rule < points.length; rule++) {
            if (points[rule] != 0) {
                total += points[rule];
                contributions.add(new Contribution(
                        rules.all.get(rule).id(), points[rule], gathered.times[rule], gathered.lasts[rule]));
            }
        }
        total = Math.max(rules.atLeast, total);
        return new Score(lead, gathered.time, total, level(gathered, rules), contributions, null);
    }

    /** By rule, what the caps let pass of each day and is left of that. */
    private static long[] points(Gathered gathered, Rules rules) {
        long[] points = new long[rules.all.size()];
        long[] used = new long[rules.caps.size()];
        int day = Integer.MIN_VALUE;
        double remaining = 1;
        for (int cell = 0; cell < gathered.cells; cell++) {
            if (gathered.day(cell) != day) {
                int last = day;
                day = gathered.day(cell);
                long age = gathered.time - Rules.endOf(day);
                remaining = age <= 0 ? 1 : Math.pow(2.0, -age / rules.halfLifeMs);
                if (Rules.weekOf(last) != Rules.weekOf(day)) {
                    rules.caps.forEach(cap -> used[cap.place()] = cap.weekly() ? 0 : used[cap.place()]);
                }
            }
            Rules.Rule rule = rules.all.get(gathered.rule(cell));
            long micro = within(gathered.micro(cell), rule.cap());
            for (Rules.Cap cap : rule.ways()) {
                long before = used[cap.place()];
                used[cap.place()] = within(before + micro, cap.micro());
                micro = used[cap.place()] - before;
            }
            if (gathered.time - Rules.endOf(day) < rule.expiresMs()) {
                points[rule.number()] += (long) Math.rint(micro * remaining);
            }
        }
        return points;
    }

    private static int level(Gathered gathered, Rules rules) {
        int level = rules.highestLevel;
        while (level > 0 && gathered.levels[level - 1] + rules.levelValidMs <= gathered.time) {
            level--;
        }
        return level;
    }

    private static long within(long micro, long limit) {
        return Math.max(-limit, Math.min(limit, micro));
    }
}
