import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.AggregateFunction;

/**
 * A peer: Flink SQL in one JVM. Each argument is a file of statements, run one after the other to its end.
 *
 * <p>Prints a line of JSON: CPU (user and system) and wall seconds of the start and of each file, and the peak memory.
 */
public final class Flink {
    private static final String BETWEEN = "\n;\n";

    public static void main(String[] files) throws Exception {
        Configuration options = new Configuration();
        options.setString("parallelism.default", "1");
        options.setString("taskmanager.numberOfTaskSlots", "1");
        options.setString("execution.checkpointing.interval", "10 s");
        options.setString("table.local-time-zone", "UTC");
        TableEnvironment tables =
                TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(options).build());
        tables.createTemporarySystemFunction("first_by", FirstBy.class);
        tables.createTemporarySystemFunction("last_by", LastBy.class);
        List<String> jobs = new ArrayList<>();
        jobs.add(job(cpuSeconds(), 0));
        for (String file : files) {
            double cpu = cpuSeconds();
            long began = System.nanoTime();
            for (String statement : Files.readString(Path.of(file)).split(BETWEEN)) {
                tables.executeSql(statement).await();
            }
            jobs.add(job(cpuSeconds() - cpu, (System.nanoTime() - began) / 1e9));
        }
        System.out.printf("{\"jobs\": [%s], \"peak_bytes\": %d}%n", String.join(", ", jobs), peakBytes());
        System.exit(0);
    }

    /** A text and when it was seen. */
    public static final class Seen {
        @DataTypeHint(value = "STRING", bridgedTo = StringData.class)
        public StringData value;

        public Double at;
    }

    /** Flink's own FIRST_VALUE and LAST_VALUE cannot merge, which windows by session ask for. */
    @FunctionHint(
            input = {@DataTypeHint(value = "STRING", bridgedTo = StringData.class), @DataTypeHint("DOUBLE")},
            accumulator = @DataTypeHint(bridgedTo = Seen.class),
            output = @DataTypeHint(value = "STRING", bridgedTo = StringData.class))
    public abstract static class ByTime extends AggregateFunction<StringData, Seen> {
        abstract boolean isBetter(double at, double than);

        @Override
        public Seen createAccumulator() {
            return new Seen();
        }

        @Override
        public StringData getValue(Seen seen) {
            return seen.value;
        }

        public void accumulate(Seen seen, StringData value, Double at) {
            if (at != null && (seen.at == null || isBetter(at, seen.at))) {
                seen.value = value;
                seen.at = at;
            }
        }

        public void merge(Seen seen, Iterable<Seen> others) {
            for (Seen other : others) {
                accumulate(seen, other.value, other.at);
            }
        }
    }

    /** The value of the earliest row. */
    public static final class FirstBy extends ByTime {
        @Override
        boolean isBetter(double at, double than) {
            return at < than;
        }
    }

    /** The value of the latest row. */
    public static final class LastBy extends ByTime {
        @Override
        boolean isBetter(double at, double than) {
            return at >= than;
        }
    }

    private static String job(double cpuSeconds, double wallSeconds) {
        return "{\"cpu_seconds\": " + cpuSeconds + ", \"wall_seconds\": " + wallSeconds + "}";
    }

    private static double cpuSeconds() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime() / 1e9;
    }

    private static long peakBytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        throw new IOException("no VmHWM");
    }
}
